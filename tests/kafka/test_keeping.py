"""What topics keep, as clients say it: DeleteRecords, DeleteTopics and topic configurations, by kcat and librdkafka 2.0.2."""

import re
import subprocess
import time

import harness

SOURCE = harness.ROOT / "tests/kafka/admin.c"
_program = None


def admin(server, *words):
    """The lines that tests/kafka/admin.c prints."""
    global _program
    if not (_program and _program.exists()):
        _program = harness.temporary_directory() / "admin"
        subprocess.run(["clang-19", "-O1", "-Wall", "-Wextra", "-Werror", SOURCE, "-o", _program, "-lrdkafka"], check=True)
    done = subprocess.run([_program, server.addresses["kafka"], *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def produce(server, topic, lines, *arguments):
    server.kcat("-P", "-t", topic, *arguments, input="".join(line + "\n" for line in lines).encode())


def offset(server, topic, timestamp, partition=0):
    return int(re.search(r"offset (-?\d+)", server.kcat("-Q", "-t", f"{topic}:{partition}:{timestamp}").decode())[1])


def test_deleted_records_are_gone_for_every_reader_and_after_a_kill():
    server = harness.Server()
    assert admin(server, "create", "t", 2) == ["t ok"]
    for i in range(10):
        produce(server, "t", [f"zero-{i}"], "-p", "0")
    produce(server, "t", ["one"], "-p", "1")
    assert sorted(admin(server, "delete-records", "t", 0, 7, "t", 1, -1)) == ["t-0 ok 7", "t-1 ok 1"]
    for killed in (False, True):
        if killed:
            server.kill()
            server.start()
        assert server.records("t", "%p %o %s\n").splitlines() == ["0 7 zero-7", "0 8 zero-8", "0 9 zero-9"]
        assert [offset(server, "t", -2, p) for p in (0, 1)] == [7, 1]
        assert [offset(server, "t", -1, p) for p in (0, 1)] == [10, 1]
    produce(server, "t", ["next"], "-p", "1")
    assert "1 1 next" in server.records("t", "%p %o %s\n").splitlines()  # which partition comes first nobody says


def test_a_consumer_whose_offset_is_deleted_goes_on_at_the_start():
    server = harness.Server()
    for i in range(5):
        produce(server, "t", [str(i)])
    assert admin(server, "delete-records", "t", 0, 3) == ["t-0 ok 3"]
    read = server.kcat("-C", "-t", "t", "-p", "0", "-o", "1", "-e", "-q", "-f", "%o %s\n", "-X", "topic.auto.offset.reset=earliest").decode()
    assert read.splitlines() == ["3 3", "4 4"]


def test_what_cannot_be_deleted_is_refused_alone():
    server = harness.Server()
    admin(server, "create", "t", 1)
    admin(server, "create", "latest", 1, "cleanup.policy=compact")
    produce(server, "t", ["a", "b"])
    answers = admin(server, "delete-records", "t", 0, 1, "latest", 0, 0)
    assert "t-0 ok 1" in answers and any(a.startswith("latest-0 POLICY_VIOLATION") for a in answers), answers
    beyond = admin(server, "delete-records", "t", 0, 3)
    assert beyond[0].startswith("t-0 OFFSET_OUT_OF_RANGE"), beyond
    assert offset(server, "t", -2) == 1


def test_a_deleted_topic_stays_deleted_and_its_name_begins_empty():
    server = harness.Server({"kafka.auto_create_topics": "false"})
    admin(server, "create", "t", 3)
    produce(server, "t", [str(i) for i in range(100)])
    assert admin(server, "delete-topic", "t") == ["t ok"]
    server.kill()
    server.start()
    assert admin(server, "delete-topic", "t")[0].startswith("t UNKNOWN_TOPIC_OR_PART")
    admin(server, "create", "t", 3)
    assert server.records("t", "%s\n") == ""
    produce(server, "t", ["new"], "-p", "1")
    server.kill()
    server.start()
    assert server.records("t", "%p %o %s\n") == "1 0 new\n"


def test_configurations_are_checked_and_a_topic_that_is_not_synced_is_warned_of():
    server = harness.Server()
    bad = admin(server, "create", "bad", 1, "cleanup.policy=delete", "retention.ms=-7")
    assert bad[0].startswith("bad INVALID_CONFIG Invalid value -7 for configuration retention.ms"), bad
    assert admin(server, "create", "good", 1, "retention.ms=3600000", "cleanup.policy=compact,delete", "segment.ms=1000") == ["good ok"]
    assert "topic.not_synced" not in server.log_text()
    assert admin(server, "create", "quick", 1, "flush.messages=1000") == ["quick ok"]
    assert '"topic":"quick"' in re.search(r".*topic.not_synced.*", server.log_text())[0]
    produce(server, "quick", ["x"])
    assert server.records("quick", "%s\n") == "x\n"


def test_records_of_a_topic_with_log_append_time_have_the_time_of_the_server():
    server = harness.Server()
    admin(server, "create", "t", 1, "message.timestamp.type=LogAppendTime")
    before = int(time.time() * 1000)
    for codec in ("none", "zstd"):
        produce(server, "t", ["a", "b"], "-z", codec)
    after = int(time.time() * 1000)
    times = [int(line) for line in server.records("t", "%T\n").splitlines()]
    assert len(times) == 4 and all(before <= t <= after for t in times), (before, times, after)
    assert offset(server, "t", before) == 0 and offset(server, "t", after + 1) == -1


def test_a_record_without_a_key_is_refused_by_a_compacted_topic():
    server = harness.Server()
    admin(server, "create", "latest", 1, "cleanup.policy=compact")
    refused = subprocess.run(["kcat", "-b", server.addresses["kafka"], "-P", "-t", "latest"], input="no key\n", capture_output=True, text=True, timeout=60)
    assert "Broker failed to validate record" in refused.stderr, refused.stderr
    produce(server, "latest", ["k:v"], "-K:")
    assert server.records("latest") == "k\tv\n"


def test_the_largest_batch_follows_the_topic_and_the_server():
    server = harness.Server({"kafka.message_bytes_max": "4KiB"})
    admin(server, "create", "wide", 1, "max.message.bytes=100000")
    for topic, size, taken in (("usual", 2000, True), ("usual", 8000, False), ("wide", 8000, True), ("wide", 200000, False)):
        done = subprocess.run(["kcat", "-b", server.addresses["kafka"], "-P", "-t", topic, "-X", "message.max.bytes=1000000"], input="x" * size + "\n", capture_output=True, text=True, timeout=60)
        assert ("too large" in done.stderr) is not taken, (topic, size, done.stderr)


def test_a_topic_made_by_a_statement_takes_the_same_configurations():
    server = harness.Server()
    create = "CREATE STREAM s (id INT KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1, CLEANUP_POLICY='%s', RETENTION_MS=%d);"
    refused = server.ksql(create % ("burn", 5), ok=False)
    assert refused.status == 400 and "Invalid value burn for configuration cleanup.policy" in refused.json["message"], refused.body
    server.ksql(create % ("compact", 5))
    no_key = subprocess.run(["kcat", "-b", server.addresses["kafka"], "-P", "-t", "s"], input="no key\n", capture_output=True, text=True, timeout=60)
    assert "Broker failed to validate record" in no_key.stderr, no_key.stderr


def test_a_dropped_query_and_connector_leave_nothing_that_a_restart_would_meet():
    server = harness.Server()
    server.ksql("CREATE STREAM s (id INT KEY, n INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
    for _ in range(2):  # the second round has the names of the first, and streams of its own
        server.ksql("CREATE STREAM big AS SELECT * FROM s WHERE n > 1;", {"ksql.streams.auto.offset.reset": "earliest"})
        server.ksql("INSERT INTO s (id, n) VALUES (1, 2);")
        harness.wait_for("the query's output", lambda: server.records("BIG") != "")
        query = re.search(r"CSAS_BIG_\d+", server.ksql("SHOW QUERIES;").body.decode())[0]
        server.ksql(f"TERMINATE {query}; DROP STREAM big DELETE TOPIC;")
        server.kill()
        server.start()
    assert server.records("s", "%s\n").count("2") == 2
    assert "log.damage" not in server.log_text()
