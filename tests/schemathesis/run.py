"""Starts the real server, fills it, and runs schemathesis on both of its listeners. `run.py sqlite | postgres`."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import jsonschema_rs
from openapi_spec_validator import validate

KEEPER = sys.argv[1]
TIDINGS = os.environ["TIDINGS"]
# Enough to reach each field of each body; the same requests each time.
EXAMPLES, SEED = 10, 1
LIMIT_SECS = 60
# Streams do not end by themselves: the suites of the gateway look at them.
STREAMS = ["/api/v1/stream", "/api/v1/ws"]
# Those that chance cannot call rightly, and why; the journeys do.
NEVER_OBEYED = {
    "POST /api/v1/conversations/{id}/read": "its body names a message",
    "POST /api/v1/sessions/{id}/renew": "a session has a stream that is open",
}
# All checks but those that cannot hold here, and why:
# - positive_data_acceptance: a body of the right shape may still say what cannot be: people whom the directory does not
#   know, a time that is over, a cursor of another list, both of two fields of which one is meant. It is answered 400.
EXCLUDED = ["positive_data_acceptance"]
# - negative_data_rejection, of bodies of lines: a line that is none is named in the answer, and the others are taken.
OF_LINES = ["/api/v1/audiences/{name}", "/api/v1/directory/users"]


def free(url, name):
    """A database of its own on the server of tests."""
    subprocess.run(["psql", "--quiet", url, "--command", f'CREATE DATABASE "{name}"'], check=True)
    base, _, query = url.partition("?")
    return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def signing_key(folder):
    """A key of this run alone, that signs proofs."""
    file = folder / "proof.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True, capture_output=True)
    return str(file)


def settings(folder):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    own = {
        "TIDINGS_AUTH__HS256_SECRET": secrets.token_hex(32),
        "TIDINGS_SERVER__LISTEN": "127.0.0.1:0",
        "TIDINGS_ADMIN__LISTEN": "127.0.0.1:0",
        "TIDINGS_TESTING__FAULTS": "true",
        "TIDINGS_PROOF__SIGNING_KEY_FILE": signing_key(folder),
        # What is looked at is each answer, not how many there are in a minute.
        "TIDINGS_LIMITS__REQUESTS_PER_SECOND": "100000",
        "TIDINGS_LIMITS__BROADCASTS_PER_MINUTE": "6000000",
        "TIDINGS_LIMITS__LOGINS_PER_MINUTE": "60000",
        "TIDINGS_LIMITS__MESSAGES_PER_SECOND": "10000",
        "DATABASE_URL": f"sqlite://{folder}/t.db",
    }
    if KEEPER == "postgres":
        name = f"schemathesis_{secrets.token_hex(4)}"
        own["DATABASE_URL"] = free(os.environ["TIDINGS_TEST_POSTGRES"], name)
        own["KAFKA_BOOTSTRAP_SERVERS"] = os.environ["TIDINGS_TEST_KAFKA"]
        own["TIDINGS_KAFKA__GROUP_PREFIX"] = f"{name}-"
    return inherited | own


def serve(folder, environment):
    log = (folder / "log").open("w")
    server = subprocess.Popen([TIDINGS, "serve"], env=environment, stdout=log, stderr=log, cwd=folder)

    def addresses():
        if server.poll() is not None:
            sys.exit(f"schemathesis: the server did not start: {(folder / 'log').read_text()}")
        lines = (folder / "log").read_text().splitlines()
        said = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return next(((one["address"], one["admin"]) for one in said if "admin" in one and "address" in one), None)

    return server, *eventually("the server listens", addresses)


def ask(address, path, token, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://{address}{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        sys.exit(f"schemathesis: {path}: {refused.read().decode()}")


def eventually(what, look):
    """Looks until there is something, or the limit is over."""
    deadline = time.monotonic() + LIMIT_SECS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    sys.exit(f"schemathesis: did not happen within {LIMIT_SECS} s: {what}")


def answered(admin):
    """How often each route was answered with each status, by the server's own numbers."""
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    counts = {}
    for line in lines:
        if line.startswith("tidings_http_requests_total{"):
            labels, _, count = line.rpartition(" ")
            counts[tuple(re.findall(r'"([^"]*)"', labels))] = int(count)
    if not counts:
        sys.exit("schemathesis: the server does not say how it answered")
    return counts


def looked_at(admin, references):
    """Ends the run if it proved little: requests that were too many, operations that were never once obeyed."""
    counts = answered(admin)
    if refused := sum(count for (_, _, status), count in counts.items() if status == "429"):
        sys.exit(f"schemathesis: {refused} requests were refused for their rate: raise the limits of this server")
    obeyed = {(method, route) for method, route, status in counts if status.startswith("2")}
    known = {(method.upper(), route) for one in references for route, its in one["paths"].items() for method in its}
    never = {f"{method} {route}" for method, route in known - obeyed if route not in STREAMS}
    if never := sorted(never - NEVER_OBEYED.keys()):
        sys.exit(f"schemathesis: never obeyed, so that their answers were not seen: {', '.join(never)}")


def mint(environment, name, *more):
    command = [TIDINGS, "token", "--sub", name, *more]
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout.strip()


def fill(address, admin, token, other):
    """Makes one of each thing that a path names; answers the identifiers, by the beginning of the path or its
    operation. `other` is the token of somebody who tells the caller something."""

    def create(path, body):
        return ask(address, f"/api/v1{path}", token, body)

    create("/signup", {"username": "ada", "password": "correct horse battery", "display_name": "Ada"})
    people = "/api/v1/directory/users?limit=200"
    known = lambda: any(one["user_id"] == "ada" for one in ask(address, people, token)["items"])
    eventually("the directory knows who signed up", known)
    broadcast = create("/broadcasts", {"content": "Hello", "target": {"type": "all"}})["id"]
    conversation = create("/conversations", {"members": ["ada"], "title": "Kitchen"})["conversation_id"]
    message = create(f"/conversations/{conversation}/messages", {"content": "Coffee?"})["message_id"]
    ask(address, f"/api/v1/conversations/{conversation}/messages", other, {"content": "With milk."})
    told = lambda: ask(address, "/api/v1/notifications", token)["items"]
    notification = eventually("the caller was told something", told)[0]["id"]
    later = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    planned = create("/broadcasts", {"content": "Soon", "target": {"type": "all"}, "scheduled_at": later})["id"]
    order = create("/orders", {"customer_name": "Ada", "coffee_type": "Flat white"})["order_id"]
    post = create("/posts", {"title": "On coffee", "content": "It is good."})["post_id"]
    notice = create("/announcements", {"title": "Fire drill", "content": "At noon."})["id"]
    create("/broadcasts", {"content": "Hello", "target": {"type": "all"}, "simulate_failure": "permanent"})
    dead = eventually("it is a dead letter", lambda: ask(admin, "/api/v1/dead-letters", token)["items"])[0]["id"]
    key = ask(admin, "/api/v1/keys", token, {"name": "billing", "scopes": ["message:write"]})["id"]
    # They are put into paths as they are, and that of a dead letter has slashes.
    return {
        # Of several that fit, the first is taken.
        "PATCH /api/v1/broadcasts/{id}": {"id": planned},
        "/api/v1/dead-letters/": {"id": urllib.parse.quote(dead, safe="")},
        "/api/v1/broadcasts/": {"id": broadcast},
        "/api/v1/conversations/": {"id": conversation, "message": message, "user": "ada"},
        "/api/v1/orders/": {"id": order},
        "/api/v1/posts/": {"id": post},
        "/api/v1/inbox/": {"id": notice},
        "/api/v1/notifications/": {"id": notification},
        "/api/v1/users/": {"id": "ada"},
        "/api/v1/journeys/": {"id": broadcast},
        "/api/v1/keys/": {"id": key},
        "/api/v1/consumer-groups/": {"id": "coffee-consumer-group"},
        "/api/v1/topics/": {"name": "coffee_orders"},
    }


def configure(file, known):
    """The identifiers, and what is excluded of single paths, as schemathesis takes them."""
    # On the command line, `--checks all` would win over what is excluded here.
    tables = ["[checks]", "enabled = true"] + [f"{check}.enabled = false" for check in EXCLUDED]
    for path in OF_LINES:
        tables += ["[[operations]]", f'include-name = "PUT {path}"', "[operations.checks]"]
        tables += ["negative_data_rejection.enabled = false"]
    for path, parameters in known.items():
        which = f'include-path-regex = "^{path}"' if path.startswith("/") else f'include-name = "{path}"'
        tables += ["[[operations]]", which, "[operations.parameters]"]
        tables += [f'"path.{name}" = "{value}"' for name, value in parameters.items()]
    file.write_text("\n".join(tables) + "\n")


def whole(admin, public, token):
    """Both references, of both listeners, against the schemas of their standards."""
    schema = json.loads(Path("node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json").read_text())
    asyncapi = jsonschema_rs.validator_for(schema)
    for address in (public, admin):
        validate(ask(address, "/api/v1/openapi.json", token))
        wrong = [str(error) for error in asyncapi.iter_errors(ask(address, "/api/v1/asyncapi.json", token))]
        if wrong:
            sys.exit(f"schemathesis: asyncapi.json is none: {wrong[:3]}")


def run(address, token, config):
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", config, "run",
        f"http://{address}/api/v1/openapi.json", "--url", f"http://{address}",
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--workers", "1", "--generation-database", "none",
        "--request-timeout", "30", "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off",
        "--no-color", "--header", f"Authorization: Bearer {token}",
    ]
    for path in STREAMS:
        command += ["--exclude-path", path]
    started = time.monotonic()
    ran = subprocess.run(command, env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks"}, text=True, capture_output=True)
    took = time.monotonic() - started
    if ran.returncode != 0:
        print(ran.stdout, ran.stderr)
        sys.exit(f"schemathesis: {KEEPER}: the API is not as its reference says")
    cases = next((line.strip() for line in ran.stdout.splitlines() if " generated" in line), "")
    print(f"schemathesis: {KEEPER}, {address}: {cases}, {took:.0f} s")


with tempfile.TemporaryDirectory(prefix="tidings-schemathesis-") as name:
    folder = Path(name)
    environment = settings(folder)
    server, public, admin = serve(folder, environment)
    try:
        token, other = mint(environment, "root", "--role", "admin"), mint(environment, "ada")
        whole(admin, public, token)
        configure(folder / "schemathesis.toml", fill(public, admin, token, other))
        for address in (public, admin):
            run(address, token, folder / "schemathesis.toml")
        # It would prove nothing if the token had been of no use, or the server away.
        ask(admin, "/api/v1/topics", token)
        looked_at(admin, [ask(address, "/api/v1/openapi.json", token) for address in (public, admin)])
    finally:
        server.terminate()
        server.wait(30)
