"""A FastAPI app with the routes of sharedRoutes: each answers with its own pattern.

It prints the port that it listens on, and serves until its input ends.
"""

import socket
import sys
import threading

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()
app.router.redirect_slashes = False


def add(pattern: str, answer: str) -> None:
    @app.get(pattern)
    def route():
        return PlainTextResponse(answer)


add("/admin", "/admin")
add("/admin/{rest:path}", "/admin/")
add("/public/a/{rest:path}", "/public/a/")
add("/public/{rest:path}", "/public/")
add("/{rest:path}", "/")

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()  # from now on nobody is refused
print(listener.getsockname()[1], flush=True)
server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))


def stop_with_the_test() -> None:
    sys.stdin.read()
    server.should_exit = True


threading.Thread(target=stop_with_the_test, daemon=True).start()
server.run(sockets=[listener])
