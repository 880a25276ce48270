"""What schemathesis does not know of itself: one JSON value a line."""

import json

import schemathesis

LINES = "application/x-ndjson"


@schemathesis.serializer(LINES)
def write(_context, value):
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@schemathesis.deserializer(LINES)
def read(_context, response):
    lines = [json.loads(line) for line in response.text.splitlines() if line]
    return lines[0] if lines else {}
