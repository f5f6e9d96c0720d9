"""Asks for each line of standard input, and prints each verdict as a line."""

import importlib.util
import json
import os
import sys

file, server, timeout = sys.argv[1:]
spec = importlib.util.spec_from_file_location("verify", file)
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
try:
    warder = verify.Warder(server, os.environ.get("WARDER_TOKEN", ""), timeout=float(timeout))
except ValueError as error:
    print(json.dumps({"refused": str(error)}))
    sys.exit(0)
for line in sys.stdin:
    use = json.loads(line)
    try:
        print(json.dumps(warder.verify(use.pop("key"), **use)), flush=True)
    except verify.Misuse as error:
        print(json.dumps({"misuse": error.fields, "text": str(error)}), flush=True)
