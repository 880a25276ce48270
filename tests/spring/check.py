"""Judges what Spring Kafka and Tidings make of each other's dead letters, on a real broker.

    check.py JAVA_CLASSPATH TIDINGS PROGRAM BROKERS

PROGRAM is the built example of the crate of consumers. Prints `N passed, N failed`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

CLASSPATH, TIDINGS, PROGRAM, BROKERS = sys.argv[1:]
NAME = f"spring-{os.getpid()}-{time.time_ns() % 1_000_000}"
# How long anything may take that works, in seconds.
LIMIT = 60


class Java:
    """A program on Spring; the lines that it prints, each as its words. It ends with its block."""

    def __init__(self, program, *arguments):
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSPATH]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*command, f"tidings.{program}", BROKERS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n").split("\t"))

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        self.process.stdin.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if failure:
            self.errors.seek(0)
            print(self.errors.read()[-4000:], file=sys.stderr)


def until(what, holds):
    end = time.monotonic() + LIMIT
    while not (found := holds()):
        assert time.monotonic() < end, f"{what}: not within {LIMIT} s"
        time.sleep(0.05)
    return found


def tidings(*arguments):
    command = [TIDINGS, *arguments, "--brokers", BROKERS]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def produce(topic, key, value):
    """Where the record came to lie: partition and offset."""
    where = tidings("produce", topic, "--key", key, "--value", value, "--header", "own=1")
    return [int(number) for number in where.split("@")]


def letters(topic, count):
    """The dead letters of a topic, newest first, once there are so many."""

    def listed():
        found = json.loads(tidings("dead-letters", "list", "--in", f"{topic}-dlt", "--json"))["items"]
        return len(found) >= count and found

    return until(f"{count} dead letters", listed)


def has(letter, **wanted):
    found = {name: letter[name] for name in wanted}
    assert found == wanted, f"{found} is not {wanted}"


def what_spring_gave_up_is_listed_sent_through_again_and_handled():
    topic, group = f"{NAME}-orders", f"{NAME}-billing"
    with Java("Application", topic, group) as application:
        until("the application", lambda: ["ready"] in application.lines)
        produce(topic, "alice", "good")
        partition, offset = produce(topic, "bob", "bad 100")
        until("what works", lambda: any(line[:2] == ["handled", "alice"] for line in application.lines))
        first = letters(topic, 1)[0]
        has(first, topic=topic, partition=partition, offset=offset, group=group, key="bob", attempts=3, redrives=0)
        has(first, exception="java.lang.IllegalStateException", passed=False)
        assert "no account for bob" in first["message"], first
        assert first["id"].startswith(f"{topic}-dlt/{partition}/"), first
        shown = json.loads(tidings("dead-letters", "show", first["id"], "--json"))
        has(shown, value="bad 100", headers=[["own", "1"]])
        assert "tidings.Application" in shown["trace"], shown

        # It fails once more, and is known for it.
        redrive = ("dead-letters", "redrive", "--all", "--in", f"{topic}-dlt")
        assert tidings(*redrive) == "1 of 1 sent, 0 failed\n"
        second = letters(topic, 2)[0]
        has(second, topic=topic, partition=partition, key="bob", attempts=3, redrives=1, passed=False)
        assert second["offset"] > offset, second

        application.tell("heal")
        assert tidings(*redrive) == "1 of 1 sent, 0 failed\n"
        handled = until("what was healed", lambda: [line for line in application.lines if "bob" in line])
        names = handled[0][3].split(",")
        assert handled[0][:3] == ["handled", "bob", "bad 100"] and len(handled) == 1, handled
        assert "own" in names and "tidings-redrives" in names, names
        assert not any(name.startswith("kafka_dlt-") for name in names), names


def our_dead_letters_are_read_by_springs_own_names():
    prefix = f"{NAME}-"
    with tempfile.TemporaryDirectory() as folder:
        billing = subprocess.Popen([PROGRAM, f"{folder}/bills.db", BROKERS, prefix + "ours-"])
        topic = prefix + "ours-orders"
        try:
            until("its topics", lambda: f'"{topic}-dlt"' in tidings("topics", "--json"))
            partition, offset = produce(topic, "alice", "a few")
            letter = letters(topic, 1)[0]
        finally:
            billing.send_signal(signal.SIGINT)
            billing.wait(LIMIT)
    with Java("DeadLetterReader", f"{topic}-dlt", f"{NAME}-reader") as reader:
        told = until("the dead letter", lambda: reader.lines and reader.lines[0])
    appended = int(told.pop(5))
    assert abs(appended / 1000 - time.time()) < 600, f"{appended} is no time in milliseconds of today"
    said = "invalid digit found in string"
    fqcn = "tidings.HandlerError.Reject"
    wanted = ["alice", "a few", topic, str(partition), str(offset), "CreateTime", "billing", fqcn, said, f"{fqcn}: {said}"]
    assert told == wanted, f"{told} is not {wanted}"
    has(letter, topic=topic, partition=partition, offset=offset, group="billing", attempts=1, message=said)


def main():
    rules = [
        what_spring_gave_up_is_listed_sent_through_again_and_handled,
        our_dead_letters_are_read_by_springs_own_names,
    ]
    failed = 0
    for rule in rules:
        try:
            rule()
            print(f"  {rule.__name__}: passed")
        except (AssertionError, subprocess.SubprocessError) as cause:
            failed += 1
            print(f"  {rule.__name__}: {cause}")
    print(f"{len(rules) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
