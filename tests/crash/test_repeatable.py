"""The same input gives the same output: a query that was killed many times on its way leaves the topic, byte for byte, that it leaves when
nobody disturbs it."""

import os
import random
import shutil
import time

from harness import Server, temporary_directory, wait_for
from producer import Producer

SEED = int(os.environ.get("TIDEMILL_SEED", random.SystemRandom().randrange(10**9)))
RECORDS = 250_000
SHORT_LIVES = 6

SOURCE = "CREATE STREAM clicks (k VARCHAR KEY, page VARCHAR, ms BIGINT, amount DOUBLE) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);"
QUERIES = """
CREATE STREAM long AS SELECT k, page, ms * 2 AS twice, amount FROM clicks WHERE ms > 300 EMIT CHANGES;
CREATE TABLE pages AS SELECT page, COUNT(*) AS n, SUM(ms) AS total, MIN(amount) AS least, AVG(ms) AS mean FROM clicks GROUP BY page EMIT CHANGES;
"""
OUTPUTS = ("LONG", "PAGES")


def fill(server, rng):
    """Returns how many records pass the filter."""
    server.ksql(SOURCE)
    producer = Producer(server.addresses["kafka"], "clicks", {"linger.ms": "20"})
    passing = 0
    for _ in range(RECORDS):
        ms = rng.randrange(1000)
        passing += ms > 300
        producer.send(b'{"page":"page %d","ms":%d,"amount":%.3f}' % (rng.randrange(2000), ms, rng.uniform(-5, 5)))
    assert producer.flush(60) and len(producer.acknowledged) == RECORDS
    producer.close()
    return passing


def dump(server, topic):
    return server.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%o %T %K %S %k %s\n", timeout=120)


def finished(server, passing):
    counted = sum(n for n, in server.query("SELECT n FROM pages;"))
    return counted == RECORDS and int(server.kcat("-Q", "-t", "LONG:0:-1").split()[-1]) == passing


def start_queries(data):
    server = Server(data=data)
    server.ksql(QUERIES, {"auto.offset.reset": "earliest"})
    return server


def killed_on_the_way(data, rng, passing):
    """Lives too short to answer anybody, killed wherever they are; then longer ones, until the work is done."""
    server = start_queries(data)
    for _ in range(SHORT_LIVES):
        server.kill()
        server.start(wait=False)
        time.sleep(rng.uniform(0.02, 0.25))
    server.kill()
    server.start()
    kills = SHORT_LIVES + 1
    while not finished(server, passing):
        time.sleep(rng.uniform(0, 0.05 + kills / 100))
        server.kill()
        kills += 1
        assert kills < 300, "the queries do not get on"
        server.start()
    return server, kills


def first_difference(found, expected):
    ours, theirs = found.split(b"\n"), expected.split(b"\n")
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return f"{len(ours)} lines with kills, {len(theirs)} without; the first that differs is {at}: {ours[at:at + 1]} / {theirs[at:at + 1]}"


def test_a_query_killed_on_its_way_writes_the_same_bytes():
    print(f"seed {SEED}", flush=True)
    place = temporary_directory()
    server = Server(data=place / "first")
    passing = fill(server, random.Random(SEED))
    server.stop()
    shutil.copytree(place / "first", place / "second")

    undisturbed = start_queries(place / "first")
    wait_for("the undisturbed queries to read everything", lambda: finished(undisturbed, passing), 60, 0.2)
    expected = {topic: dump(undisturbed, topic) for topic in OUTPUTS}
    undisturbed.stop()

    server, kills = killed_on_the_way(place / "second", random.Random(SEED + 1), passing)
    for topic in OUTPUTS:
        found = dump(server, topic)
        assert found == expected[topic], f"{topic}: {first_difference(found, expected[topic])}"
    print(f"{kills} kills", flush=True)
