"""A FastAPI app that declares its security and has no code that enforces any.

It prints the port that it listens on, and serves until its input ends. Each
call of an operation is counted; GET /openapi.json is FastAPI's own.
"""

import socket
import sys
import threading
from enum import Enum

import uvicorn
from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, SecurityScopes
from pydantic import BaseModel, Field

# auto_error=False: the app itself turns nobody away.
key = APIKeyHeader(name="X-API-Key", auto_error=False)
app = FastAPI(title="orders", redirect_slashes=False)
calls = 0


class Sort(str, Enum):
    up = "up"
    down = "down"


class Order(BaseModel):
    article: str = Field(min_length=1, max_length=40)
    count: int = Field(ge=1, le=100)
    note: str = ""

    class Config:
        extra = "forbid"


def count() -> None:
    global calls
    calls += 1


def declared(scopes: SecurityScopes, value: str | None = Security(key)) -> None:
    """Says what is needed, and checks nothing."""


@app.get("/orders/mine", dependencies=[Security(declared)])
def mine():
    count()
    return {"which": "mine"}


@app.get("/orders/{order}", dependencies=[Security(declared)])
def one(order: int, sort: Sort = Sort.up, limit: int = 10):
    count()
    return {"which": order, "sort": sort, "limit": limit}


@app.post("/orders", dependencies=[Security(declared)])
def create(order: Order):
    count()
    return {"article": order.article, "count": order.count}


@app.get("/status", openapi_extra={"security": []})
def status():
    return {"calls": calls}


@app.get("/forgotten")
def forgotten():
    count()
    return {"which": "forgotten"}


@app.get("/hidden", include_in_schema=False)
def hidden():
    count()
    return {"which": "hidden"}


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
