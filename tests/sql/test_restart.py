"""A restart anywhere, by kill -9 or clean, with or without snapshots, damaged or not: the output topic is that of an undisturbed run, byte for byte."""

import json
import os
import random
import subprocess
import time

from harness import temporary_directory, wait_for
from mill import Mill

STATEMENTS = """
CREATE STREAM events (id BIGINT, page VARCHAR, ms INT, at BIGINT) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE STREAM slow AS SELECT page, id, ms * 2 AS twice, 100 / (id % 10) AS share FROM events WHERE ms >= 50 PARTITION BY page EMIT CHANGES;
CREATE TABLE pages WITH (PARTITIONS=1) AS SELECT page, COUNT(*) AS n, SUM(ms) AS total, MAX(ms) AS high, AVG(ms) AS mean FROM events GROUP BY page HAVING COUNT(*) > 2 EMIT CHANGES;
CREATE TABLE windows AS SELECT page, COUNT(*) AS n FROM events WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 5 SECONDS) GROUP BY page EMIT CHANGES;
CREATE TABLE counts AS SELECT n, COUNT(*) AS pages FROM pages GROUP BY n EMIT CHANGES;
"""
OUTPUTS = ("SLOW", "PAGES", "WINDOWS", "COUNTS", "default_ksql_processing_log")
RECORDS = 24_000


def load():
    """The records as they are appended: (partition, lines) in turn. The same for every run."""
    chance = random.Random(5)
    for start in range(0, RECORDS, 1500):
        lines = []
        for n in range(start, start + 1500):
            bad = n % 997 == 0
            lines.append("{bad" if bad else json.dumps({"id": n, "page": f"p{chance.randrange(200)}", "ms": chance.randrange(100), "at": n}))
        yield chance.randrange(3), "".join(line + "\n" for line in lines).encode()


def produce(server, partition, lines, now):
    """One acknowledged request, so that what is in the log is known whatever happens after it."""
    server.kcat("-P", "-t", "events", "-p", str(partition), "-X", "acks=all", "-H", f"batch={now}", input=lines)


def dump(server, topic):
    form = "%p|%o|%K|%k|%S|%s|%h|%T\n"
    out = server.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", form)
    return sorted(out.split(b"\n"), key=lambda line: (line.split(b"|")[0], int(line.split(b"|")[1]) if b"|" in line else 0))


def settled(server):
    """All queries have read everything: the last of the chain has, and nothing more comes."""
    wait_for("the queries to come to rest", lambda: resting(server), 60, 0.2)


def resting(server):
    before = ends(server)
    time.sleep(0.15)  # nothing to wait for: that nothing comes is what is looked for
    return expected_counts(server) and before == ends(server)


def ends(server):
    partitions = [f"{topic}:{p}:-1" for topic in ("SLOW", "WINDOWS") for p in range(3)] + ["PAGES:0:-1", "COUNTS:0:-1"]
    return sorted(server.kcat("-Q", *[part for asked in partitions for part in ("-t", asked)]).splitlines())


def expected_counts(server):
    good = RECORDS - len(range(0, RECORDS, 997))
    return sum(n for n, in server.query("SELECT n FROM pages;")) == good


def answers(server):
    return {table: sorted(server.query(f"SELECT * FROM {table};")) for table in ("pages", "windows", "counts")}


def run(disturb):
    """The load with `disturb(server, step)` after each request; then everything that was written."""
    server = Mill({"flow.snapshot_interval_ms": "200ms"})
    server.run(STATEMENTS)
    for step, (partition, lines) in enumerate(load()):
        produce(server, partition, lines, step)
        disturb(server, step)
    settled(server)
    return server


def undisturbed(disturbed):
    """The same input, in the same journal, run through new queries by a server that nobody disturbs."""
    disturbed.run("TERMINATE ALL;" + "".join(f"DROP {kind} {name} DELETE TOPIC;" for kind, name in [("TABLE", "counts"), ("TABLE", "windows"), ("TABLE", "pages"), ("STREAM", "slow")]))
    disturbed.run(STATEMENTS.split(";", 1)[1])
    settled(disturbed)


def compare(server):
    before = {topic: dump(server, topic) for topic in OUTPUTS[:4]}
    kept = answers(server)
    undisturbed(server)
    for topic in OUTPUTS[:4]:
        after = dump(server, topic)
        assert len(before[topic]) == len(after), f"{topic}: {len(before[topic])} records, undisturbed {len(after)}"
        differing = [pair for pair in zip(before[topic], after) if pair[0] != pair[1]]
        assert not differing, f"{topic}: {differing[0]}"
    assert kept == answers(server)


def killed(server):
    server.kill()
    server.start()


def test_kills_in_the_middle_of_a_load_leave_no_trace_in_the_output():
    chance = random.Random(int(os.environ.get("SQL_SEED", "11")))
    server = run(lambda s, step: chance.random() < 0.4 and killed(s))
    bad = len(range(0, RECORDS, 997))
    readable = [json.loads(line) for line in server.records("default_ksql_processing_log", "%s\n").splitlines()]
    unreadable = [e["message"]["deserializationError"]["errorMessage"] + e["logger"] for e in readable if e["message"]["type"] == 0]
    assert len(unreadable) == len(set(unreadable)) == 3 * bad, f"{len(unreadable)} reports, {len(set(unreadable))} different, of {bad} bad rows that three queries read"
    compare(server)


def test_a_kill_while_a_long_topic_is_replayed_leaves_no_trace_in_the_output():
    server = Mill({"flow.snapshot_interval_ms": "100ms", "flow.batch_rows_max": "500"})
    server.run(STATEMENTS.split(";", 1)[0] + ";")
    for step, (partition, lines) in enumerate(load()):
        produce(server, partition, lines, step)
    server.run(STATEMENTS.split(";", 1)[1])
    for _ in range(3):
        # the outputs grow between kills, so each kill falls into the work
        low = len(server.records("PAGES", "%o\n").splitlines())
        wait_for("more output", lambda: len(server.records("PAGES", "%o\n").splitlines()) > low or expected_counts(server))
        killed(server)
    settled(server)
    compare(server)


def snapshots(server):
    return sorted(server.data.glob("state/*/*.snapshot"))


def spoil_snapshots(server, how):
    for file in snapshots(server):
        data = bytearray(file.read_bytes())
        if how == "half":
            data = data[:len(data) // 2]
        elif how == "flipped":
            data[len(data) // 2] ^= 0x40
        elif how == "version":
            data[4] = 9
        elif how == "empty":
            data = b""
        elif how == "gone":
            file.unlink()
            continue
        file.write_bytes(data)


def test_a_snapshot_that_is_half_flipped_older_empty_or_gone_is_made_up_for_by_the_log():
    server = run(lambda s, step: None)
    before = {topic: dump(server, topic) for topic in OUTPUTS}
    kept = answers(server)
    for how in ("half", "flipped", "version", "empty", "gone"):
        server.stop()
        assert snapshots(server)
        spoil_snapshots(server, how)
        server.start()
        wait_for(f"the answers after snapshots were {how}", lambda: answers(server) == kept)
    assert before == {topic: dump(server, topic) for topic in OUTPUTS}
    produce(server, 0, b'{"id":1,"page":"p1","ms":1,"at":1}\n', 99)
    wait_for("the row after it all", lambda: len(server.records("PAGES", "%o\n").splitlines()) == len(before["PAGES"]))


def test_a_state_beyond_its_limit_stops_the_query_and_a_larger_limit_goes_on():
    server = Mill({"flow.query_state_bytes_max": "64KiB"})
    server.run("CREATE STREAM events (id BIGINT, page VARCHAR) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=1); CREATE TABLE ids AS SELECT id, COUNT(*) AS n FROM events GROUP BY id EMIT CHANGES;")
    server.lines("events", [{"id": n, "page": "x"} for n in range(100)])
    server.expect("SELECT n FROM ids WHERE id = 99;", [[1]])
    server.lines("events", [{"id": n, "page": "x"} for n in range(20000)])
    query = wait_for("the query to stop", lambda: [q for q in server.run("SHOW QUERIES;")[0]["queries"] if q["state"] == "ERROR"])[0]
    told = server.run(f"EXPLAIN {query['id']};")[0]["queryDescription"]["queryErrors"][0]["errorMessage"]
    assert "flow.query_state_bytes_max" in told, told
    server.stop()
    server.settings["flow.query_state_bytes_max"] = "64MiB"
    server.start()
    server.expect("SELECT n FROM ids WHERE id = 99;", [[2]])
    wait_for("every row", lambda: sum(n for n, in server.query("SELECT n FROM ids;")) == 20100)
    assert len(server.records("IDS", "%o\n").splitlines()) == 20100


def small_disk(megabytes):
    place = temporary_directory()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    return place


def test_a_full_disk_makes_a_query_wait_and_loses_and_repeats_nothing():
    place = small_disk(60)
    server = Mill({"log.journal_file_bytes": "4MiB", "flow.batch_rows_max": "1000"}, data=place / "data")
    server.run("CREATE STREAM events (n BIGINT, page VARCHAR) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=1);")
    for start in range(0, 20000, 5000):
        server.lines("events", [{"n": n, "page": "x" * 400} for n in range(start, start + 5000)])
    free = os.statvfs(place)
    (place / "ballast").write_bytes(b"\0" * (free.f_bavail * free.f_frsize - (1 << 20)))  # less is left than a journal file takes
    server.run("CREATE STREAM copy AS SELECT n, page || page AS page FROM events EMIT CHANGES; CREATE TABLE n AS SELECT page, COUNT(*) AS n FROM copy GROUP BY page EMIT CHANGES;")
    seen = []
    wait_for("the query to get no further", lambda: seen.append(len(server.records("COPY", "%o\n").splitlines())) or (seen[-1] > 0 and seen[-6:] == 6 * seen[-1:]), step=0.05)
    assert seen[-1] < 20000, "the disk was never full"
    assert [q["state"] for q in server.run("SHOW QUERIES;")[0]["queries"]] == ["RUNNING", "RUNNING"]
    assert server.query("SELECT n FROM n LIMIT 1;") is not None, "a pull query waits for the disk"
    (place / "ballast").unlink()
    wait_for("all records", lambda: len(server.records("COPY", "%o\n").splitlines()) >= 20000)
    assert [v["N"] for v in server.values("COPY")] == list(range(20000))
    wait_for("the table over them", lambda: server.query("SELECT n FROM n;") == [[20000]])
