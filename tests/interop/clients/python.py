"""httpx-sse: a Python client that parses, and leaves coming back to its user, who does here as its manual says."""

import json
import os
import sys
import time

import httpx
from httpx_sse import connect_sse

cursor, retry_ms = "", 2000
with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
    while True:
        headers = {"Authorization": f"Bearer {os.environ['TIDINGS_TOKEN']}"}
        if cursor:
            headers["Last-Event-ID"] = cursor
        try:
            with connect_sse(client, "GET", f"{os.environ['TIDINGS_URL']}/api/v1/stream", headers=headers) as source:
                for event in source.iter_sse():
                    cursor = event.id or cursor
                    retry_ms = event.retry or retry_ms
                    if event.event in ("ready", "broadcast.created"):
                        told = {"type": event.event, "cursor": cursor, "frame": event.json()}
                        print(json.dumps(told), flush=True)
        except httpx.TransportError as cut:
            print(f"cut: {cut!r}", file=sys.stderr)
        time.sleep(retry_ms / 1000)
