"""A client of warder's POST /v1/keys:verify in one file without dependencies, for
Python 3.9 and later. Copy it.

    warder = Warder("https://keys.example.com", token)
    verdict = warder.verify(key, method="GET", target="/orders/17", address="192.0.2.7")
    if not verdict["valid"]:
        return respond(verdict["status"], verdict["code"])

A verdict is all that verify returns. Whatever is no clear yes, a server that does not
answer in time too, is a verdict that is not valid, with the code "unavailable" and the
status 503. Never let such a request pass. It raises Misuse alone: the call itself says
something that the API does not take, such as a scope that is none, which your tests find.

The codes: valid; invalid (401: no such key, or one that is revoked, disabled or
expired); forbidden (403: not from this address, with this method, for this path);
insufficient-scope (403); rate-limited and credits-exhausted (429); refused (the
request itself: status says what); unavailable (503: nobody knows).
"""

import http.client
import ipaddress
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

LONGEST_KEY = 8192  # characters: the API takes no longer texts, of keys and of tokens
LONGEST_ANSWER = 1 << 20  # bytes


class Misuse(Exception):
    """The API does not take what verify was called with. fields has a pair for each
    part that is wrong: its name, and what is wanted instead. Nothing that was sent is
    repeated."""

    def __init__(self, fields):
        super().__init__("warder: " + "; ".join(f"{name}: {message}" for name, message in fields))
        self.fields = fields


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for one server alone."""

    def redirect_request(self, *args, **kwargs):
        return None


class Warder:
    """Asks one server. Threads may share it."""

    def __init__(self, server, token, timeout=2.0, ca_file=None):
        """server is the base URL of the admin API; plain http is for this machine
        alone, since the token goes with each request. token may keys:verify, such as
        an admin key of a developer. timeout is in seconds, for one answer. ca_file
        names authorities of your own."""
        url = urllib.parse.urlsplit(server)
        if url.scheme != "https" and not (url.scheme == "http" and _is_local(url.hostname)):
            raise ValueError("warder: server: want https, or http on this machine")
        if not url.hostname or url.username is not None or url.query or url.fragment or url.path not in ("", "/"):
            raise ValueError("warder: server: want a URL without user, path and query")
        if not token or not all("!" <= c <= "~" for c in token):
            raise ValueError("warder: the token is missing, or has blanks")
        if not 0 < timeout <= 60:
            raise ValueError("warder: timeout: want up to 60 seconds")
        self._url = f"{url.scheme}://{url.netloc}/v1/keys:verify"
        self._token = token
        self._timeout = timeout
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # none of the environment's: the token is for the server alone
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)),
            _NoRedirect(),
        )

    def __repr__(self):
        return f"Warder({self._url!r})"

    def verify(self, key, **use):
        """Says whether a request with this key may pass, and spends what it costs.

        use is what it comes with: method in upper case, target (path and query),
        address (of the client, by the word of somebody whom you trust), origin,
        scopes (a list that the operation wants), cost (in credits), public, dry; or
        gateway=True with method, a target that has scheme and host, and address."""
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
            return {"valid": False, "code": "invalid", "status": 401, "reason": "malformed"}
        try:
            text = json.dumps({"key": key, **use}).encode()
        except (TypeError, ValueError, RecursionError):
            raise Misuse([("use", "want what JSON can say")]) from None
        try:
            status, wait, body = self._ask(text)
            return _judge(status, wait, body)
        except (OSError, ValueError, TypeError, RecursionError, http.client.HTTPException):
            return _unavailable("no answer")  # what the error says may hold an address: it is not passed on

    def _ask(self, text):
        end = time.monotonic() + self._timeout
        request = urllib.request.Request(self._url, data=text, method="POST")
        request.add_header("Authorization", "Bearer " + self._token)
        request.add_header("Content-Type", "application/json")
        request.add_header("Accept", "application/json")
        try:
            answer = self._opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            parts, size = [], 0
            while True:
                part = answer.read1(1 << 16)
                size += len(part)
                if size > LONGEST_ANSWER or time.monotonic() > end:
                    raise ValueError("too long")
                if not part:
                    return answer.status, answer.headers.get("Retry-After"), json.loads(b"".join(parts))
                parts.append(part)


def _is_local(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _unavailable(reason):
    return {"valid": False, "code": "unavailable", "status": 503, "reason": reason}


def _faults(body):
    """What a problem of the API's says is wrong; none when it is no such problem."""
    errors = body.get("errors")
    if body.get("status") != 400 or not isinstance(body.get("type"), str) or not isinstance(errors, list):
        return []
    pairs = [(e.get("field"), e.get("message")) if isinstance(e, dict) else (None, None) for e in errors[:20]]
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        return []
    return [(field[:200], message[:200]) for field, message in pairs]


def _judge(status, wait, body):
    """Takes an answer for a verdict only when it is one."""
    body = body if isinstance(body, dict) else {}
    code, meant = body.get("code"), body.get("status")
    if status == 200:
        passes = body.get("valid") is True and code == "valid" and meant == 200
        refuses = body.get("valid") is False and isinstance(code, str) and code != "valid" and type(meant) is int and 200 < meant <= 599
        return body if passes or refuses else _unavailable("no verdict")
    errors = body.get("errors")
    fields = {e.get("field") if isinstance(e, dict) else None for e in errors} if isinstance(errors, list) else set()
    if status == 400 and fields == {"key"}:
        return {"valid": False, "code": "invalid", "status": 401, "reason": "malformed"}
    if status == 400 and fields and fields <= {"target", "method", "origin", "key"}:
        return {"valid": False, "code": "refused", "status": 400, "reason": "the request has what cannot be judged"}
    if status == 400 and (wrong := _faults(body)):
        raise Misuse(wrong)
    if status == 429:
        verdict = {"valid": False, "code": "rate-limited", "status": 429, "reason": "too many wrong keys"}
        if wait and wait.isascii() and wait.isdigit():
            verdict["retry_after"] = int(wait)
        return verdict
    if status in (401, 403):  # about your token, not about the key
        return _unavailable(f"the server refuses your token: it answered {status}")
    return _unavailable(f"the server answered {status}")
