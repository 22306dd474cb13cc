"""What people and programs get wrong is answered with what to do about it, and harms nobody else. Messages are golden files."""

import json
import struct
import subprocess

import golden_text
import kafka_frames as frames
from harness import Postgres, Server, http, wait_for

NOT_TOLD = ("@timestamp", "ecs.version", "service.name", "client.address")  # differ from line to line, or say nothing
CORRUPT_MESSAGE, UNKNOWN_TOPIC, UNSUPPORTED_VERSION = 2, 3, 35


def warnings(server):
    """What the log says at level warn or above, fields and all."""
    lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
    return ["\n".join(f"{k}: {v}" for k, v in line.items() if k not in NOT_TOLD) for line in lines if line["log.level"] in ("warn", "error")]


def still_serves(server):
    topic = "still-serves"
    before = len(server.records(topic).splitlines()) if topic in server.kcat("-L").decode() else 0
    server.kcat("-P", "-t", topic, input=b"hello\n")
    assert len(server.records(topic).splitlines()) == before + 1


# Kafka frames

def test_a_truncated_frame_ends_only_its_own_connection():
    server = Server()
    assert frames.Connection(server.addresses["kafka"]).send_raw(struct.pack(">i", 100) + b"only ten b").half_close().receive() is None
    assert frames.Connection(server.addresses["kafka"]).send_raw(b"\0\0").half_close().receive() is None
    inside = frames.request(frames.METADATA, 4, struct.pack(">i", 1000000))  # says a million topics, has none
    assert frames.Connection(server.addresses["kafka"]).send(inside).receive() is None
    still_serves(server)


def test_an_oversized_frame_is_refused_before_memory_is_taken():
    server = Server()
    for size in (0x7FFFFFFF, -1, 200 << 20):
        assert frames.Connection(server.addresses["kafka"]).send_raw(struct.pack(">i", size) + b"x" * 64).receive() is None
    still_serves(server)
    about = wait_for("a warning about the frame", lambda: [m for m in warnings(server) if str(0x7FFFFFFF) in m])
    golden_text.check("kafka_oversized_frame", about[0])


def test_an_unknown_version_is_answered_with_the_list_of_versions():
    server = Server()
    answer = frames.Reader(frames.Connection(server.addresses["kafka"]).send(frames.request(frames.API_VERSIONS, 99, frames.FLEXIBLE_NAMES)).receive())
    correlation, error, count = answer.take("ihi")
    assert (correlation, error) == (7, UNSUPPORTED_VERSION)
    listed = {key: (low, high) for key, low, high in (answer.take("hhh") for _ in range(count))}
    assert frames.PRODUCE in listed and frames.API_VERSIONS in listed
    assert frames.Connection(server.addresses["kafka"]).send(frames.request(frames.PRODUCE, 99)).receive() is None
    assert frames.Connection(server.addresses["kafka"]).send(frames.request(9999, 0)).receive() is None
    still_serves(server)


def test_a_batch_with_a_wrong_checksum_is_refused_and_leaves_no_trace():
    server = Server()
    server.kcat("-P", "-t", "orders", input=b"good\n")
    connection = frames.Connection(server.addresses["kafka"])
    error, _, message = frames.produce_answer(connection.send(frames.produce("orders", frames.batch(b"flipped", crc_error=1))).receive())
    assert error == CORRUPT_MESSAGE, error
    golden_text.check("kafka_bad_checksum", message)
    error, base, _ = frames.produce_answer(connection.send(frames.produce("orders", frames.batch(b"good too"))).receive())
    assert (error, base) == (0, 1)
    assert server.records("orders", "%s\n") == "good\ngood too\n"


def test_an_unknown_topic_is_named_with_what_to_do():
    server = Server({"kafka.auto_create_topics": "false"})
    connection = frames.Connection(server.addresses["kafka"])
    error, _, message = frames.produce_answer(connection.send(frames.produce("nowhere", frames.batch(b"x"))).receive())
    assert error == UNKNOWN_TOPIC, error
    golden_text.check("kafka_unknown_topic", message)
    done = subprocess.run(["kcat", "-b", server.addresses["kafka"], "-C", "-t", "nowhere", "-e", "-X", "allow.auto.create.topics=false"], capture_output=True, timeout=30)
    assert done.returncode != 0 and b"nknown topic" in done.stderr, done.stderr


# SQL

WRONG_STATEMENTS = {
    "sql_syntax": "CREATE STREAM broken (a INT) WIHT (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');",
    "sql_unknown_column": "CREATE STREAM copy AS SELECT colour FROM clicks EMIT CHANGES;",
    "sql_unknown_source": "CREATE STREAM copy AS SELECT * FROM clacks EMIT CHANGES;",
    "sql_type_mismatch": "CREATE STREAM copy AS SELECT page + ms AS sum FROM clicks WHERE page > 3 EMIT CHANGES;",
    "sql_unknown_function": "CREATE STREAM copy AS SELECT SHOUT(page) AS loud FROM clicks EMIT CHANGES;",
    "sql_unknown_format": "CREATE STREAM other (a INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='YAML');",
    "sql_missing_topic": "CREATE STREAM other (a INT) WITH (KAFKA_TOPIC='not-there', VALUE_FORMAT='JSON');",
    "sql_exists_already": "CREATE STREAM clicks (a INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON');",
}
WRONG_QUERIES = {
    "query_unknown_table": "SELECT * FROM nobody;",
    "query_unknown_column": "SELECT colour FROM pages;",
    "query_is_a_statement": "CREATE STREAM x (a INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON');",
}


def test_wrong_sql_says_where_and_why_with_ksqldbs_error_codes():
    server = Server()
    server.ksql("CREATE STREAM clicks (page VARCHAR, ms BIGINT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.ksql("CREATE TABLE pages AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page EMIT CHANGES;")
    asked = [("/ksql", name, text) for name, text in WRONG_STATEMENTS.items()] + [("/query", name, text) for name, text in WRONG_QUERIES.items()]
    for path, name, text in asked:
        answer = http("POST", server.url("ksql", path), {"ksql": text, "streamsProperties": {}})
        assert answer.status == 400, f"{text}: {answer.status} {answer.body}"
        assert answer.json["@type"] in ("statement_error", "generic_error")
        golden_text.check(name, f"{answer.json['error_code']}\n{answer.json['message']}")
    assert http("POST", server.url("ksql", "/ksql"), b"{not json").status == 400
    assert http("POST", server.url("ksql", "/query"), {"ksql": "SELECT * FROM pages;" + " " * (20 << 20)}).status in (400, 413)
    assert server.query("SELECT * FROM pages;") == []


def test_rows_that_are_not_json_are_skipped_and_told_of_in_the_processing_log():
    server = Server()
    server.ksql("CREATE STREAM clicks (page VARCHAR, ms BIGINT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.ksql("CREATE TABLE pages AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page EMIT CHANGES;", {"auto.offset.reset": "earliest"})
    server.kcat("-P", "-t", "clicks", input=b'{"page":"a","ms":1}\n{"page":"a","ms":\n{"page":"a","ms":"many"}\n{"page":"b","ms":2}\n')
    wait_for("the row behind the bad ones", lambda: server.query("SELECT n FROM pages WHERE page = 'b';") == [[1]])
    assert server.query("SELECT n FROM pages WHERE page = 'a';") == [[1]]
    log = wait_for("both rows in the processing log", lambda: (lines := server.records("default_ksql_processing_log", "%s\n").splitlines()) and len(lines) == 2 and lines)
    entries = [json.loads(line) for line in log]
    for entry in entries:
        assert entry["level"] == "ERROR" and entry["message"]["type"] == 0
        assert entry["message"]["deserializationError"]["topic"] == "clicks"
    golden_text.check("processing_log", "\n".join(e["message"]["deserializationError"]["errorMessage"] for e in entries))


# PostgreSQL

def trouble(server, words):
    """The connector's own account of what is wrong, once it contains `words`."""
    def told():
        status = server.connector_status("shop")
        text = " ".join(part.get("trace", "") for part in [status["connector"], *status["tasks"]])
        return words in text and text
    return wait_for(f"the connector to say {words!r} (it says {server.connector_status('shop')})", told, 30)


def orders(postgres):
    postgres.sql("CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)")


def capture(postgres, server=None, **config):
    server = server or Server()
    server.connector("shop", postgres.connector_config(slot__name="shop", publication__name="shop", **config))
    return server


def captured_rows(server):
    return len(server.records("shop.public.orders", "%o\n").splitlines())


def test_a_database_that_is_down_is_said_and_found_again_when_it_returns():
    postgres = Postgres()
    orders(postgres)
    postgres.stop()
    server = capture(postgres)
    golden_text.check("postgres_down", trouble(server, "refused"), port=postgres.port)
    postgres.start()
    wait_for("the row, when the database is back", lambda: "shop.public.orders" in server.kcat("-L").decode() and captured_rows(server) == 1, 60)
    assert server.connector_status("shop")["tasks"][0]["state"] == "RUNNING"


def test_a_wrong_password_is_said_without_showing_it():
    postgres = Postgres(password="a-good-secret")
    server = capture(postgres, database__password="not-the-secret")
    text = trouble(server, "password")
    golden_text.check("postgres_wrong_password", text, port=postgres.port)
    shown = json.dumps([server.connector_status("shop"), http("GET", server.url("connect", "/connectors/shop")).json]) + server.log_text()
    assert "not-the-secret" not in shown


def test_wal_level_replica_is_said_with_the_setting_to_change():
    postgres = Postgres(options={"wal_level": "replica"})
    orders(postgres)
    golden_text.check("postgres_wal_level", trouble(capture(postgres), "wal_level"), port=postgres.port)


def test_a_slot_in_use_is_said_with_who_holds_it():
    postgres = Postgres()
    orders(postgres)
    postgres.sql("SELECT pg_create_logical_replication_slot('shop', 'pgoutput'); CREATE PUBLICATION shop FOR ALL TABLES")
    command = ["/usr/lib/postgresql/15/bin/pg_recvlogical", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "postgres", "-d", "postgres", "--slot", "shop",
               "--start", "-f", "/dev/null", "-o", "proto_version=1", "-o", "publication_names=shop"]
    holder = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        pid = wait_for("the slot to be held", lambda: postgres.sql("SELECT active_pid FROM pg_replication_slots WHERE active"))
        server = capture(postgres, snapshot__mode="no_data")
        golden_text.check("postgres_slot_in_use", trouble(server, "shop"), port=postgres.port, pid=pid)
    finally:
        holder.terminate()
        holder.wait()
    wait_for("the connector to take the slot when it is free", lambda: postgres.sql("SELECT active FROM pg_replication_slots") == "t", 60)


def test_a_slot_that_is_gone_stops_capture_instead_of_leaving_a_silent_gap():
    postgres = Postgres()
    orders(postgres)
    server = capture(postgres)
    wait_for("the snapshot", lambda: captured_rows(server) == 1)
    wait_for("the slot's first confirmation", lambda: server.connector_status("shop")["tasks"][0]["state"] == "RUNNING")
    server.stop()
    postgres.sql("SELECT pg_drop_replication_slot('shop'); INSERT INTO orders VALUES (2)")
    server.start()
    golden_text.check("postgres_slot_gone", trouble(server, "shop"), port=postgres.port)
    assert server.connector_status("shop")["tasks"][0]["state"] == "FAILED"
    postgres.sql("INSERT INTO orders VALUES (3)")
    assert captured_rows(server) == 1


def test_a_connector_with_wrong_properties_is_refused_field_by_field():
    server = Server()
    url = server.url("connect", "/connectors/shop/config")
    for name, config in {"connector_no_host": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": "shop"},
                         "connector_unknown_class": {"connector.class": "com.example.Nothing"},
                         "connector_wrong_value": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": "shop", "database.hostname": "127.0.0.1",
                                                   "database.port": "many", "database.user": "u", "database.password": "p", "database.dbname": "d", "snapshot.mode": "sometimes"}}.items():
        answer = http("PUT", url, config)
        assert answer.status == 400 and answer.json["error_code"] == 400, answer.body
        golden_text.check(name, answer.json["message"])
    assert http("GET", server.url("connect", "/connectors")).json == []
    missing = http("GET", server.url("connect", "/connectors/nobody/status"))
    assert missing.status == 404
    golden_text.check("connector_unknown", missing.json["message"])
