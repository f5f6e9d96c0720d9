#!/usr/bin/env python3
"""What a decision costs beside nginx's whole request: bench/decision.md has figures.

    go build -o /tmp/warder ./cmd/warder
    python3 bench/decision.py /tmp/warder [rounds [seconds]]

It wants nginx and wrk. Each round runs each system once, one after the other, so
that what else the machine does meets all of them; the figures are medians. With
BEFORE=/path/of/another/warder the same is asked of that one too. CPU is
user and system time of the system's processes alone, by /proc, and not wrk's.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

KEYS = int(os.environ.get("KEYS", "10000"))
CONNECTIONS = 64
TICK = os.sysconf("SC_CLK_TCK")


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(number):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", number), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {number}")


def tree(pid):
    """pid and its children."""
    yield pid
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from tree(int(child))


def cpu(pid):
    """seconds that the processes have used."""
    total = 0
    for one in tree(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def start(folder, name, *command):
    log = open(folder / (name + ".out"), "wb")
    return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


def nginx(folder, name, http):
    conf = folder / (name + ".conf")
    conf.write_text(
        f"daemon off; worker_processes 2; pid {folder}/{name}.pid; error_log {folder}/{name}.err;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\naccess_log off; keepalive_requests 1000000000;\n"
        f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{http}\n}}\n"
    )
    return start(folder, name, shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p", str(folder), "-c", str(conf))


def wrk(folder, url, script, seconds):
    out = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(folder / script), url],
        check=True, capture_output=True, text=True,
    ).stdout
    if re.search(r"Non-2xx|Socket errors", out):
        raise SystemExit("not every request passed:\n" + out)
    number = lambda pattern: re.search(pattern, out)[1]
    return int(number(r"(\d+) requests in")), float(number(r"Requests/sec:\s+([\d.]+)")), number(r"50%\s+(\S+)"), number(r"99%\s+(\S+)")


SCRIPT = """
local keys = {{}}
for line in io.lines("{keys}") do keys[#keys + 1] = line end
local at = 0
request = function()
  at = at % #keys + 1
  return wrk.format("GET", "{path}", {{ ["Host"] = "api.example.com", ["X-API-Key"] = keys[at]{more} }})
end
"""
QUESTION = ', ["X-Original-Method"] = "GET", ["X-Original-URI"] = "/orders/1", ["X-Original-Proto"] = "http", ["X-Original-Host"] = "api.example.com", ["X-Original-Addr"] = "192.0.2.7"'


def make_keys(folder, api):
    for _ in range(600):
        if (folder / "warder.db.admin").exists():
            break
        time.sleep(0.05)
    token = (folder / "warder.db.admin").read_text().strip()
    texts = []
    while len(texts) < KEYS:
        body = json.dumps({"keys": [{"name": "bench", "owner": "acme", "scopes": ["orders:read"]}] * 100}).encode()
        ask = urllib.request.Request(f"{api}/v1/keys:batchCreate", body, {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        with urllib.request.urlopen(ask) as answer:
            texts += [one["text"] for one in json.load(answer)["keys"]]
    return texts


def serve(folder, running, warder, gateway, admin, asked):
    """a warder with keys, in a folder that has nothing of another's."""
    (folder / "warder.yaml").write_text(f"""
listen: 127.0.0.1:{gateway}
admin_listen: 127.0.0.1:{admin}
db: warder.db
log: {{file: access.log}}
rate_limits: {{many: {{count: 1000000, per: 1s, by: [key]}}}}
decision: {{listen: "127.0.0.1:{asked}", dialect: nginx, max_age: 3s}}
routes:
  - {{match: GET /orders/, scopes: [orders:read], rate_limits: [many]}}
  - {{match: GET /unlimited/, scopes: [orders:read]}}
""")
    served = start(folder, "warder", warder, "serve", "--config", "warder.yaml")
    running.append(served)
    wait(asked)
    wait(admin)
    texts = make_keys(folder, f"http://127.0.0.1:{admin}")
    (folder / "keys").write_text("\n".join(texts) + "\n")
    return served, texts


def main():
    warder = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    folder = pathlib.Path(tempfile.mkdtemp(prefix="decision"))
    running = []
    try:
        upstream, yard, front, gateway, admin, asked, stored = (port() for _ in range(7))
        served, texts = serve(folder, running, warder, gateway, admin, asked)
        (folder / "owners").write_text("".join(f"{text} acme;\n" for text in texts))
        running.append(nginx(folder, "upstream", f"server {{ listen 127.0.0.1:{upstream}; location / {{ return 200 '{'x' * 1024}'; }} }}"))
        limit = f"""
map_hash_max_size 65536; map_hash_bucket_size 128;
map $http_x_api_key $owner {{ default ""; include {folder}/owners; }}
limit_req_zone $http_x_api_key zone=keys:16m rate=100000r/s;
upstream api {{ server 127.0.0.1:{upstream}; keepalive 64; }}
upstream decision {{ server 127.0.0.1:{asked}; keepalive 64; }}
"""
        forward = "proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection '';"
        whole = nginx(folder, "yard", limit + f"""
server {{ listen 127.0.0.1:{yard}; access_log {folder}/yard.log;
  location / {{ if ($owner = "") {{ return 401; }} limit_req zone=keys burst=100000 nodelay; {forward} proxy_set_header X-Owner $owner; }} }}""")
        running.append(whole)
        fronted = nginx(folder, "front", limit + f"""
server {{ listen 127.0.0.1:{front}; access_log {folder}/front.log;
  location / {{ auth_request /_warder; auth_request_set $o $upstream_http_x_warder_owner; {forward} proxy_set_header X-Owner $o; }}
  location = /_warder {{ internal; proxy_pass http://decision/authz; proxy_http_version 1.1; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection "";
    proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-URI $request_uri; proxy_set_header X-Original-Proto $scheme;
    proxy_set_header X-Original-Host $host; proxy_set_header X-Original-Addr $remote_addr; proxy_set_header X-Original-Upgrade $http_upgrade; }} }}""")
        running.append(fronted)
        for number in (upstream, yard, front):
            wait(number)
        for name, path, more in (("whole", "/orders/1", ""), ("ask", "/authz", QUESTION), ("limitless", "/authz", QUESTION.replace("/orders/1", "/unlimited/1"))):
            (folder / (name + ".lua")).write_text(SCRIPT.format(keys=folder / "keys", path=path, more=more))
        systems = {
            "nginx, whole request": (yard, "whole.lua", [whole]),
            "warder, decision": (asked, "ask.lua", [served]),
            "warder, decision without a limit": (asked, "limitless.lua", [served]),
            "nginx asking warder": (front, "whole.lua", [fronted, served]),
        }
        if other := os.environ.get("BEFORE"):
            there = folder / "before"
            there.mkdir()
            number = port()
            before, _ = serve(there, running, os.path.abspath(other), port(), port(), number)
            for name in ("ask", "limitless"):
                (folder / f"{name}.before.lua").write_text((folder / f"{name}.lua").read_text().replace(str(folder / "keys"), str(there / "keys")))
            systems["the other warder, decision"] = (number, "ask.before.lua", [before])
            systems["the other warder, decision without a limit"] = (number, "limitless.before.lua", [before])
        for number, script, _ in systems.values():  # every key once, and every connection
            wrk(folder, f"http://127.0.0.1:{number}", script, 2)
        found = {name: [] for name in systems}
        for _ in range(rounds):
            for name, (number, script, processes) in systems.items():
                before = [cpu(p.pid) for p in processes]
                count, rate, p50, p99 = wrk(folder, f"http://127.0.0.1:{number}", script, seconds)
                spent = sum(cpu(p.pid) - b for p, b in zip(processes, before))
                found[name].append((spent * 1e6 / count, rate, p50, p99))
        base = [one[0] for one in found["nginx, whole request"]]
        print("| system | CPU µs/req | x nginx (median of rounds) | req/s | p50/p99 of the median round |\n|---|---|---|---|---|")
        for name, all_of in found.items():
            ratio = statistics.median(one[0] / b for one, b in zip(all_of, base))
            middle = sorted(all_of)[len(all_of) // 2]
            print(f"| {name} | {statistics.median(o[0] for o in all_of):.1f} | {ratio:.2f} | {statistics.median(o[1] for o in all_of):.0f} | {middle[2]}/{middle[3]} |")
    finally:
        for one in reversed(running):
            one.send_signal(signal.SIGTERM)
        for one in running:
            one.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
