"""Runs the built example on a real broker, and judges by other people's tools (kcat, SQLite) what it did.

    check.py PROGRAM BROKERS

Prints `N passed, N failed`.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

PROGRAM, BROKERS = sys.argv[1:]
PREFIX = f"alone-{os.getpid()}-{time.time_ns() % 1_000_000}-"
# How long anything may take that works, in seconds.
LIMIT = 60
# Between two records that kcat prints.
END = b"\n--\n"


class Program:
    """The example, bound to a database; killed at the end of its block if it still runs."""

    def __init__(self, database):
        self.process = subprocess.Popen([PROGRAM, database, BROKERS, PREFIX])

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(LIMIT)
        assert code == 0, f"it ended with {code}"


def until(what, holds):
    end = time.monotonic() + LIMIT
    while not (found := holds()):
        assert time.monotonic() < end, f"{what}: not within {LIMIT} s"
        time.sleep(0.02)
    return found


def kcat(*arguments, **how):
    return subprocess.run(["kcat", "-b", BROKERS, *arguments], check=True, stdout=subprocess.PIPE, **how).stdout


def has_topic(topic):
    return f'topic "{PREFIX}{topic}" with 3 partitions'.encode() in kcat("-L")


def produce(topic, partition, records):
    lines = "".join(f"{key}:{value}\n" for key, value in records)
    kcat("-P", "-t", PREFIX + topic, "-p", str(partition), "-K:", input=lines.encode())


def dead_letters():
    """What lies in the dead letter topic, by its value: partition, key, headers. kcat shows no numbers in these."""
    out = kcat("-C", "-q", "-e", "-t", PREFIX + "orders-dlt", "-f", "%s %p %k %h\\n--\\n")
    return {letter.split(b" ", 1)[0]: letter for letter in out.split(END) if letter}


def bill(database, customer):
    """What somebody owes, as committed; none without an account, or before there is a table."""
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            row = connection.execute("SELECT cents FROM bills WHERE customer = ?", [customer]).fetchone()
            return row and row[0]
    except sqlite3.OperationalError:
        return None


def in_its_own_file(folder):
    """Without a broker the log lies in the SQLite file."""
    told = subprocess.run([PROGRAM, f"{folder}/own.db"], check=True, stdout=subprocess.PIPE, timeout=LIMIT).stdout
    assert b"alice owes 650 cents" in told, told
    assert b"after 3 attempts: the customer has no account yet" in told, told


def what_fails_becomes_a_dead_letter_as_spring_writes_it(folder):
    database = f"{folder}/orders.db"
    with Program(database) as program:
        until("its topics", lambda: has_topic("orders") and has_topic("accounts") and has_topic("orders-dlt"))
        produce("accounts", 0, [("alice", "")])
        until("an account", lambda: bill(database, "alice") == 0)
        produce("orders", 2, [("bob", "100"), ("alice", "250"), ("alice", "few"), ("alice", "400")])
        until("alice's bill, while bob waits", lambda: bill(database, "alice") == 650)
        until("two dead letters", lambda: len(dead_letters()) == 2)
        program.end()
    tried, refused = dead_letters()[b"100"], dead_letters()[b"few"]
    assert tried.startswith(b"100 2 bob "), tried
    assert refused.startswith(b"few 2 alice "), refused
    reason = b"the customer has no account yet"
    for letter, attempts, message in [(tried, 3, reason), (refused, 1, b"invalid digit found in string")]:
        for header in [
            f"kafka_dlt-original-topic={PREFIX}orders,".encode(),
            b"kafka_dlt-original-partition=",
            b"kafka_dlt-original-offset=",
            b"kafka_dlt-original-consumer-group=billing,",
            b"kafka_dlt-exception-message=" + message + b",",
            f"tidings-attempts={attempts},".encode(),
        ]:
            assert header in letter, (header, letter)


def a_program_that_is_killed_goes_on_where_it_was(folder):
    database, owed, killed_within = f"{folder}/orders.db", bill(f"{folder}/orders.db", "alice"), False
    # Until one is killed between its first and its last order.
    while not killed_within:
        before, owed = owed, owed + 20_000
        with Program(database) as program:
            produce("orders", 1, [("alice", "1")] * 20_000)
            until("some bills", lambda: bill(database, "alice") > before)
            program.kill()
        killed_within = bill(database, "alice") < owed
    with Program(database) as program:
        until("all bills", lambda: bill(database, "alice") >= owed)
        program.end()
    assert bill(database, "alice") == owed, f"{bill(database, 'alice')} cents were billed of {owed}"
    assert len(dead_letters()) == 2, "what was given up before is not given up again"


def main():
    rules = [
        in_its_own_file,
        what_fails_becomes_a_dead_letter_as_spring_writes_it,
        a_program_that_is_killed_goes_on_where_it_was,
    ]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for rule in rules:
            try:
                rule(folder)
                print(f"  {rule.__name__}: passed")
            except (AssertionError, subprocess.SubprocessError) as cause:
                failed += 1
                print(f"  {rule.__name__}: {cause}")
    print(f"{len(rules) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
