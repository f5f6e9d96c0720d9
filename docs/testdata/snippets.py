"""Shows what the page says of its snippets, by running them as they stand there.

The page's Python blocks come as a JSON list on standard input.
"""

import asyncio
import json
import sqlite3
import sys
from types import SimpleNamespace

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

BLOCKS = json.load(sys.stdin)
EVIL = "https://evil.example"


class HTTPException(Exception):
    def __init__(self, status_code):
        self.status_code = status_code


def run(word, **names):
    """Runs the one block that has word in it, and returns its names."""
    (block,) = [b for b in BLOCKS if word in b]
    names["HTTPException"] = HTTPException
    exec(compile(block, word, "exec"), names)
    return names


class Redis:
    """As much of Redis as the snippet uses, with a clock of its own."""

    def __init__(self):
        self.now, self.values, self.ends = 0, {}, {}

    def incr(self, key):
        if self.ends.get(key, self.now + 1) <= self.now:
            self.values.pop(key)
        self.values[key] = self.values.get(key, 0) + 1
        return self.values[key]

    def expire(self, key, seconds):
        self.ends[key] = self.now + seconds


def refused(redis):
    try:
        run("redis.incr", redis=redis, client="a")
    except HTTPException as e:
        return e.status_code == 429
    return False


def comparing():
    for key, want in (("right", False), ("wrong", True)):
        try:
            run("api_key != API_KEY", api_key=key, API_KEY="right")
        except HTTPException as e:
            assert want and e.status_code == 401
        else:
            assert not want


def counting():
    redis = Redis()
    outcomes = []
    for _ in range(300):  # two requests a minute, of a hundred that are allowed
        outcomes.append(refused(redis))
        redis.now += 30
    assert not any(outcomes[:100]) and all(outcomes[100:]), "a slow client is not locked out"


def telling_apart():
    limiter = run("Limiter", Limiter=lambda key_func: key_func)["limiter"]
    behind = [SimpleNamespace(client=SimpleNamespace(host="10.0.0.1"), headers={"x-forwarded-for": a}) for a in ("192.0.2.1", "192.0.2.2")]
    assert limiter(behind[0]) == limiter(behind[1]), "two clients behind a proxy are told apart"


async def ask(app, headers):
    """Sends GET /me to the app and returns the header of its answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(
        {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https", "path": "/me", "raw_path": b"/me",
            "query_string": b"", "root_path": "", "headers": headers, "client": ("192.0.2.1", 1), "server": ("api.example", 443),
        },
        receive,
        send,
    )
    return dict(sent[0]["headers"])


def sharing():
    app = FastAPI()
    run("CORSMiddleware", app=app, CORSMiddleware=CORSMiddleware)

    @app.get("/me")
    def me():
        return "ada"

    answer = asyncio.run(ask(app, [(b"origin", EVIL.encode()), (b"cookie", b"session=1")]))
    assert answer[b"access-control-allow-origin"] == EVIL.encode(), answer
    assert answer[b"access-control-allow-credentials"] == b"true", answer


def asking():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE users (id INTEGER, name TEXT)")
    db.executemany("INSERT INTO users VALUES (?, ?)", [(1, "ada"), (2, "grace")])
    rows = run("SELECT", db=db, name="' OR '1'='1")["rows"].fetchall()
    assert len(rows) == 2, rows


def logging():
    lines = []
    logger = SimpleNamespace(info=lambda text, *values: lines.append(text % values))
    request = SimpleNamespace(url="https://api.example/?api_key=IN-THE-URL", headers={"authorization": "Bearer IN-A-HEADER"})
    run("logger.info", logger=logger, request=request)
    assert "IN-THE-URL" in lines[0] and "IN-A-HEADER" in lines[0], lines


def believing():
    asked = []
    run("jwt.decode", jwt=SimpleNamespace(decode=lambda *values, **names: asked.append((values, names))), token="t", key="k")
    assert "audience" not in asked[0][1], asked


FAULTS = (comparing, counting, telling_apart, sharing, asking, logging, believing)
assert len(BLOCKS) == len(FAULTS), f"the page has {len(BLOCKS)} snippets, of which {len(FAULTS)} are run here"
for fault in FAULTS:
    fault()
print("all", len(FAULTS))
