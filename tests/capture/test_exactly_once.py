"""Nothing lost, nothing twice: under writers, over kill -9 at any moment, in transactions of any size."""

import os
import re
import threading

import topics
from harness import Postgres, Server, wait_for

TABLES = ("accounts", "words")
MEMORY_MIB_MAX = 64 * (10 if os.environ.get("TIDEMILL_INSTRUMENTED") else 1)


def make_tables(postgres, rows, pad=300):
    postgres.sql(f"CREATE TABLE accounts (id int PRIMARY KEY, n int NOT NULL, pad text); INSERT INTO accounts SELECT i, 0, repeat('p', {pad}) FROM generate_series(1, {rows}) i;"
                 f"CREATE TABLE words (id text PRIMARY KEY, n int NOT NULL); INSERT INTO words SELECT md5(i::text), 0 FROM generate_series(1, {rows}) i;"
                 "ALTER TABLE words REPLICA IDENTITY FULL")


class Writer:
    """Changes rows of every kind until it is told to stop."""

    def __init__(self, postgres, rows, first=0):
        self.postgres, self.rows, self.stopped, self.first, self.rounds, self.error = postgres, rows, threading.Event(), first, first, None
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.thread.start()
        self.wait_for_rounds(1)

    def wait_for_rounds(self, more):
        wanted = self.rounds + more
        wait_for("the writer", lambda: self.error or self.rounds >= wanted)

    def write(self):
        try:
            while not self.stopped.is_set():
                self.round()
                self.stopped.wait(0.01)
        except Exception as error:
            self.error = error

    def round(self):
        i, rows = self.rounds, self.rows
        self.postgres.sql(f"BEGIN; UPDATE accounts SET n = n + 1 WHERE id % 997 = {i % 997}; UPDATE words SET n = n + 1 WHERE id = md5('{i * 31 % rows + 1}'); COMMIT;"
                          f"UPDATE accounts SET id = {10 * rows} + {i} WHERE id = {i * 7919 % rows + 1}; UPDATE words SET id = 'moved {i}' WHERE id = md5('{i * 13 % rows + 1}');"
                          f"DELETE FROM accounts WHERE id = {i * 101 % rows + 1}; DELETE FROM words WHERE id = md5('{i * 57 % rows + 1}'); INSERT INTO accounts VALUES (-{i} - 10, 0, '');"
                          f"BEGIN; INSERT INTO accounts VALUES ({20 * rows} + {i}, 0, ''); ROLLBACK")
        self.rounds += 1

    def stop(self):
        self.stopped.set()
        self.thread.join()
        assert self.error is None, self.error


def capture(postgres, server):
    server.connector("shop", postgres.connector_config(**topics.PLAIN, provide__transaction__metadata="true"))


def check_all(postgres, server):
    """The topics lead to PostgreSQL's own rows; every streamed event stands once, in the order of commits."""
    postgres.sql("INSERT INTO accounts VALUES (-1, 0, 'end'); INSERT INTO words VALUES ('end', 0)")
    seen = 0
    for table, last in zip(TABLES, (-1, "end")):
        topic = f"shop.public.{table}"
        wait_for(f"the end of {table} ({server.connector_status('shop')})", lambda: server.kcat("-C", "-t", topic, "-e", "-q", "-o", "-1", "-f", "%k").decode().endswith(
            f'{{"id":{last}}}' if last == -1 else '{"id":"end"}'), 60)
        records = topics.read(server, topic)
        assert topics.table_of(records) == topics.database_table(postgres, table), f"{table} differs"
        before = (0, 0)
        for record in records:
            if record.op in ("c", "u", "d"):
                block = record.value["transaction"]
                position = (int(block["id"].split(":")[1]), block["total_order"])
                assert position > before, f"{table}: {record} at {position} comes behind {before}"
                before = position
                seen += 1
    assert seen > 10


def progress(server):
    return server.connector_status("shop")["tidemill"]["progress"]


def test_a_snapshot_under_writers_loses_and_repeats_nothing():
    postgres, server = Postgres(), Server()
    make_tables(postgres, 10_000)
    writer = Writer(postgres, 10_000)
    capture(postgres, server)
    topics.wait_until_streaming(server)
    writer.wait_for_rounds(5)
    writer.stop()
    check_all(postgres, server)


def test_kills_during_the_snapshot_lose_and_repeat_nothing():
    postgres, server = Postgres(), Server()
    rows = 40_000
    make_tables(postgres, rows, pad=1_000)
    writer = Writer(postgres, rows)
    capture(postgres, server)
    for kill in range(3):
        wait_for("rows of the snapshot", lambda: int(progress(server).get("rows", 0)) > 1_000 * kill or progress(server).get("phase") == "streaming", 60, 0.002)
        assert progress(server)["phase"] != "streaming", f"the snapshot was too short for this test: {kill} kills"
        server.kill()
        server.start()
    topics.wait_until_streaming(server)
    writer.wait_for_rounds(2)
    writer.stop()
    check_all(postgres, server)


def test_kills_while_streaming_lose_and_repeat_nothing():
    postgres, server = Postgres(), Server()
    make_tables(postgres, 1_000)
    capture(postgres, server)
    topics.wait_until_streaming(server)
    writer = Writer(postgres, 1_000)
    for kill in range(4):
        # Every other time into a transaction of many appends.
        if kill % 2:
            postgres.sql(f"INSERT INTO accounts SELECT i, 0, repeat('p', 300) FROM generate_series({1_000_000 + kill * 20_000}, {1_000_000 + kill * 20_000 + 19_999}) i")
        total = topics.end_offset(server, "shop.public.accounts")
        wait_for("more records", lambda: topics.end_offset(server, "shop.public.accounts") > total + 20, 60)
        server.kill()
        if kill == 2:  # PostgreSQL forgets what was confirmed since its last checkpoint, and sends it again
            writer.stop()
            postgres.kill()
            postgres.start()
            writer = Writer(postgres, 1_000, first=100_000)
        server.start()
    writer.stop()
    check_all(postgres, server)


def memory_mib(server):
    text = open(f"/proc/{server.process.pid}/status").read()
    return {name: int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1024 for name in ("RssAnon", "VmRSS")}


def test_a_transaction_of_a_million_rows_needs_little_memory_and_arrives_whole():
    postgres, server = Postgres(), Server()
    postgres.sql("CREATE TABLE big (id int PRIMARY KEY, v text)")
    server.connector("shop", postgres.connector_config(**topics.PLAIN))
    topics.wait_until_streaming(server)
    postgres.sql("INSERT INTO big VALUES (0, 'first')")
    topics.wait_for_records(server, "shop.public.big", 1)
    before = memory_mib(server)
    peak = dict(before)
    postgres.sql("INSERT INTO big SELECT i, 'row ' || i FROM generate_series(1, 1000000) i")

    def whole():
        for name, now in memory_mib(server).items():
            peak[name] = max(peak[name], now)
        return topics.end_offset(server, "shop.public.big") >= 1_000_001

    wait_for("a million records", whole, 90)
    keys = server.kcat("-C", "-t", "shop.public.big", "-e", "-q", "-o", "beginning", "-f", "%k\n").splitlines()
    assert keys == [b'{"id":%d}' % i for i in range(1_000_001)], f"{len(keys)} records"
    growth = {name: peak[name] - before[name] for name in before}
    print("     memory grew by " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in growth.items()), flush=True)
    assert growth["RssAnon"] <= MEMORY_MIB_MAX and growth["VmRSS"] <= MEMORY_MIB_MAX, (growth, before, peak)


def test_rows_larger_than_an_append_are_neither_lost_nor_repeated_over_kills():
    postgres, server = Postgres(), Server()
    # Six megabytes that do not compress, more than the four that an append takes.
    postgres.sql("CREATE TABLE big (id int PRIMARY KEY, v text); ALTER TABLE big ALTER v SET STORAGE EXTERNAL;"
                 "CREATE FUNCTION noise() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 190000) $$;"
                 "INSERT INTO big VALUES (1, noise()), (2, 'small'), (3, noise()), (4, noise())")
    server.connector("shop", postgres.connector_config(**topics.PLAIN))
    for kill in range(3):
        postgres.sql(f"BEGIN; INSERT INTO big VALUES ({10 * kill + 10}, 'small'); INSERT INTO big VALUES ({10 * kill + 11}, noise()); INSERT INTO big VALUES ({10 * kill + 12}, 'small'); COMMIT")
        wait_for("a few more records", lambda: topics.end_offset(server, "shop.public.big") >= 2 * kill + 1, 30, 0.005)
        server.kill()
        server.start()
    wait_for("all records", lambda: topics.end_offset(server, "shop.public.big") >= 13, 60)
    topics.wait_until_streaming(server)
    keys = server.kcat("-C", "-t", "shop.public.big", "-e", "-q", "-o", "beginning", "-f", "%k %S\n").decode().split("\n")[:-1]
    assert sorted(int(k.split()[0][6:-1]) for k in keys) == sorted([1, 2, 3, 4] + [10 * k + n for k in range(3) for n in (10, 11, 12)]), keys
    assert sum(int(k.split()[1]) > 6_000_000 for k in keys) == 6
