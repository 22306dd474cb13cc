"""Records go by themselves: by age, by size, and when their key has a newer one. The log looks often here and its files are small."""

import os

import harness
from test_keeping import admin, offset, produce

SMALL = {"log.journal_file_bytes": "1MiB", "log.sort_bytes": "1MiB", "log.sort_after": "100ms", "log.sweep_interval": "100ms", "log.delete_after": "100ms"}
LINES = [f"{i:04} " + os.urandom(150).hex() for i in range(1000)]  # 300 KB


def disk_bytes(server, folder):
    return sum(file.stat().st_size for file in (server.data / folder).glob("*") if file.exists())


def test_records_older_than_their_topic_keeps_are_gone_and_no_others():
    server = harness.Server(SMALL | {"kafka.retention": "1s"})
    admin(server, "create", "short", 1)
    admin(server, "create", "long", 1, "retention.ms=-1")
    for topic in ("short", "long"):
        produce(server, topic, LINES)
    harness.wait_for("retention of the short topic", lambda: offset(server, "short", -2) == 1000)
    assert offset(server, "long", -2) == 0
    server.kill()
    server.start()
    assert [offset(server, "short", -2), offset(server, "short", -1)] == [1000, 1000]
    assert server.records("long", "%s\n").splitlines() == LINES
    produce(server, "short", ["after"])
    assert admin(server, "delete-topic", "long") == ["long ok"], "the catalogue is kept for ever"


def test_a_partition_is_cut_to_its_size():
    server = harness.Server(SMALL)
    admin(server, "create", "sized", 1, "retention.bytes=100000")
    for i in range(0, 1000, 50):
        produce(server, "sized", LINES[i:i + 50])
    harness.wait_for("the cut", lambda: offset(server, "sized", -2) >= 600)
    kept = server.records("sized", "%s\n").splitlines()
    assert kept == LINES[-len(kept):] and sum(map(len, kept)) >= 100000 - 301 * 50


def test_the_bytes_of_deleted_records_and_topics_leave_the_disk():
    server = harness.Server(SMALL)
    noise = [os.urandom(400).hex() for _ in range(1000)]  # 800 KB
    for topic in ("records", "topic", "kept"):
        for _ in range(4):
            produce(server, topic, noise)
    harness.wait_for("sorted segments", lambda: disk_bytes(server, "segments") > 6_500_000)
    assert admin(server, "delete-records", "records", 0, -1) == ["records-0 ok 4000"]
    assert admin(server, "delete-topic", "topic") == ["topic ok"]

    def smaller():
        produce(server, "kept", ["x" * 10000])  # files are sorted when they are full, or as old as the setting says
        return disk_bytes(server, "segments") < 5_000_000
    harness.wait_for("the bytes to go", smaller, 60, 0.2)
    assert server.records("kept", "%s\n").splitlines()[:4000] == noise * 4


def test_a_compacted_topic_keeps_the_newest_of_each_key():
    server = harness.Server(SMALL)
    admin(server, "create", "latest", 1, "cleanup.policy=compact")
    rounds = 0

    def compacted():
        nonlocal rounds
        rounds += 1
        produce(server, "latest", [f"key{i % 10}:{rounds} {line}" for i, line in enumerate(LINES)], "-K:")
        return len(server.records("latest", "%o\n").splitlines()) < 1000 * rounds
    harness.wait_for("compaction", compacted, 60, 0.5)
    newest = dict(line.split("\t", 1) for line in server.records("latest").splitlines())
    assert sorted(newest) == sorted(f"key{i}" for i in range(10))
    for i in range(10):
        assert newest[f"key{i}"] == f"{rounds} {LINES[990 + i]}"
