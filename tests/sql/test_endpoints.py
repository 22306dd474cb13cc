"""ksqlDB's REST: which page answers what, in which shape."""

import http.client
import json

from harness import http as ask, wait_for
from mill import EARLIEST, Mill, Reader

EVENTS = "CREATE STREAM events (id BIGINT, name VARCHAR) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=1);"


def start():
    server = Mill()
    server.run(EVENTS)
    return server


def test_info_and_healthcheck_answer_what_clients_ask_first():
    server = Mill()
    info = ask("GET", server.url("ksql", "/info")).json["KsqlServerInfo"]
    assert set(info) == {"version", "kafkaClusterId", "ksqlServiceId", "serverStatus"} and info["serverStatus"] == "RUNNING", info
    health = ask("GET", server.url("ksql", "/healthcheck"))
    assert health.status == 200 and health.json["isHealthy"] is True
    assert set(health.json["details"]) >= {"metastore", "kafka"}
    assert ask("GET", server.url("ksql", "/nowhere")).status == 404


def test_a_statement_answers_with_its_entity():
    server = Mill()
    made = server.run(EVENTS)[0]
    assert made["@type"] == "currentStatus" and made["commandId"] == "stream/`EVENTS`/create"
    assert made["commandStatus"] == {"status": "SUCCESS", "message": "Stream created", "queryId": None}
    assert made["statementText"] == EVENTS and made["warnings"] == []
    listed = server.run("SHOW STREAMS;")[0]
    assert listed["@type"] == "streams"
    assert listed["streams"] == [{"type": "STREAM", "name": "EVENTS", "topic": "events", "keyFormat": "KAFKA", "valueFormat": "JSON", "isWindowed": False}]
    both = server.run("SHOW TABLES; SHOW QUERIES;")
    assert [e["@type"] for e in both] == ["tables", "queries"]


def test_describe_names_every_column_with_its_type():
    server = Mill()
    server.run("CREATE TABLE t (k VARCHAR PRIMARY KEY, d DECIMAL(9,2), a ARRAY<INT>, s STRUCT<x INT, y VARCHAR>) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=2);")
    told = server.run("DESCRIBE t;")[0]["sourceDescription"]
    fields = {f["name"]: f for f in told["fields"]}
    assert fields["K"]["type"] == "KEY" and fields["K"]["schema"]["type"] == "STRING"
    assert fields["D"]["schema"]["parameters"] == {"precision": 9, "scale": 2}
    assert fields["A"]["schema"]["memberSchema"]["type"] == "INTEGER"
    assert [f["name"] for f in fields["S"]["schema"]["fields"]] == ["X", "Y"]
    assert told["type"] == "TABLE" and told["topic"] == "t" and told["partitions"] == 2
    refused = server.refused("DESCRIBE nothing;")
    assert refused["error_code"] == 40001 and "NOTHING" in refused["message"]


def test_a_refused_statement_keeps_what_the_ones_before_it_answered():
    server = Mill()
    refused = server.refused(EVENTS + " SELECT_NOT_A_STATEMENT;")  # nothing is executed when the text does not parse
    assert refused["@type"] == "statement_error" and refused["error_code"] == 40001 and refused["entities"] == []
    assert server.run("SHOW STREAMS;")[0]["streams"] == []
    refused = server.refused(EVENTS + " DROP STREAM missing; SHOW STREAMS;")
    assert refused["@type"] == "statement_error" and refused["statementText"] == "DROP STREAM missing;"
    assert [e["@type"] for e in refused["entities"]] == ["currentStatus"]
    assert len(server.run("SHOW STREAMS;")[0]["streams"]) == 1


def test_every_refusal_has_code_type_and_message():
    server = start()
    cases = [
        ("/ksql", "SELECT * FROM events EMIT CHANGES;", "statement_error", 40002),
        ("/ksql", "CREATE STREAM x (a INT) WITH (KAFKA_TOPIC='none', VALUE_FORMAT='JSON');", "statement_error", 40001),
        ("/ksql", "CREATE STREAM x (a INT) WITH (VALUE_FORMAT='JSON', PARTITIONS=1);", "statement_error", 40001),
        ("/ksql", "CREATE STREAM x (a INT) WITH (KAFKA_TOPIC='x', VALUE_FORMAT='NOPE', PARTITIONS=1);", "statement_error", 40001),
        ("/ksql", EVENTS, "statement_error", 40001),
        ("/ksql", "CREATE TABLE x AS SELECT id FROM events;", "statement_error", 40001),
        ("/ksql", "CREATE STREAM x AS SELECT missing FROM events;", "statement_error", 40001),
        ("/ksql", "CREATE STREAM x AS SELECT id + name FROM events;", "statement_error", 40001),
        ("/ksql", "CREATE STREAM x AS SELECT nofunction(id) FROM events;", "statement_error", 40001),
        ("/ksql", "CREATE TABLE x AS SELECT name, id, COUNT(*) FROM events GROUP BY name;", "statement_error", 40001),
        ("/ksql", "INSERT INTO events (id) VALUES (1, 2);", "statement_error", 40001),
        ("/ksql", "INSERT INTO events (id) VALUES ('x');", "statement_error", 40001),
        ("/ksql", "INSERT INTO missing (id) VALUES (1);", "statement_error", 40001),
        ("/ksql", "TERMINATE missing;", "statement_error", 40001),
        ("/query", "SHOW STREAMS;", "statement_error", 40001),
        ("/query", "SELECT * FROM missing EMIT CHANGES;", "statement_error", 40001),
        ("/query", "SELECT * FROM events EMIT CHANGES; SELECT * FROM events EMIT CHANGES;", "statement_error", 40001),
        ("/query", "SELECT", "statement_error", 40001),
    ]
    for path, text, kind, code in cases:
        refused = server.refused(text, path)
        assert (refused["@type"], refused["error_code"]) == (kind, code) and refused["message"], (text, refused)
        assert "statementText" in refused and "entities" in refused
    for body in (b"", b"[]", b"{", b'{"nothing": 1}', b'{"ksql": 5}', b'{"ksql": "SHOW STREAMS;", "streamsProperties": []}', b"\xff\xfe"):
        answer = ask("POST", server.url("ksql", "/ksql"), body)
        assert answer.status == 400 and answer.json["@type"] == "generic_error" and answer.json["error_code"] == 40000, (body, answer.body)
    for properties in ({"auto.offset.reset": "sometimes"}, {"no.such.property": "1"}):
        answer = ask("POST", server.url("ksql", "/ksql"), {"ksql": "SHOW STREAMS;", "streamsProperties": properties})
        assert answer.status == 400 and answer.json["error_code"] == 40000, answer.body


def test_the_parser_says_where_it_stumbled():
    server = Mill()
    refused = server.refused("CREATE STREAM x (a INT)\n  WITH KAFKA_TOPIC='x';")
    assert "line 2:8" in refused["message"], refused["message"]


def test_a_push_query_with_a_limit_has_header_rows_and_final_message():
    server = start()
    server.lines("events", [{"id": 1, "name": "a"}, {"id": 2, "name": None}, {"id": 3, "name": "c"}])
    parts = server.push("SELECT id, name FROM events EMIT CHANGES LIMIT 2;")
    assert parts[0]["header"]["schema"] == "`ID` BIGINT, `NAME` STRING" and parts[0]["header"]["queryId"]
    assert parts[1:] == [{"row": {"columns": [1, "a"]}}, {"row": {"columns": [2, None]}}, {"finalMessage": "Limit Reached"}]


def test_query_stream_answers_line_by_line():
    server = start()
    server.lines("events", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    answer = ask("POST", server.url("ksql", "/query-stream"), {"sql": "SELECT * FROM events EMIT CHANGES LIMIT 2;", "properties": EARLIEST})
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert lines[0]["columnNames"] == ["ID", "NAME"] and lines[0]["columnTypes"] == ["BIGINT", "STRING"] and lines[0]["queryId"]
    assert lines[1:] == [[1, "a"], [2, "b"]]


def test_a_push_query_sees_rows_as_they_are_written_and_ends_by_close_query():
    server = start()
    server.put("events", {"id": 1, "name": "before"})
    late = Reader(server, "SELECT id FROM events EMIT CHANGES;", {})  # latest is the default
    early = Reader(server, "SELECT id FROM events EMIT CHANGES;")
    wait_for("both headers", lambda: late.text and early.text)
    server.put("events", {"id": 2, "name": "after"})
    assert early.wait(2) == [[1], [2]] and late.wait(1) == [[2]]
    identity = json.loads(early.text[0].strip().lstrip("[").rstrip(","))["header"]["queryId"]
    assert ask("POST", server.url("ksql", "/close-query"), {"queryId": identity}).status == 200
    wait_for("the closed query to end", lambda: early.process.poll() is not None)
    assert late.process.poll() is None
    assert ask("POST", server.url("ksql", "/close-query"), {"queryId": identity}).status == 400
    late.close()


def test_pull_queries_look_up_a_key_scan_and_limit():
    server = start()
    server.run("CREATE TABLE names AS SELECT name, COUNT(*) AS n, SUM(id) AS total FROM events GROUP BY name EMIT CHANGES;")
    server.lines("events", [{"id": n, "name": "abc"[n % 3]} for n in range(9)])
    server.expect("SELECT * FROM names WHERE name = 'b';", [["b", 3, 12]])
    server.expect("SELECT name, n FROM names;", [["a", 3], ["b", 3], ["c", 3]])
    server.expect("SELECT n, total + 1 AS more FROM names WHERE total > 9 AND name IN ('a', 'b', 'c') AND NOT name = 'c';", [[3, 13]])
    assert server.query("SELECT name FROM names WHERE name = 'none';") == []
    assert len(server.query("SELECT name FROM names LIMIT 2;")) == 2
    parts = ask("POST", server.url("ksql", "/query"), {"ksql": "SELECT name, n FROM names WHERE name = 'a';"}).json
    assert parts[0]["header"]["schema"] == "`NAME` STRING KEY, `N` BIGINT" and "finalMessage" not in parts[-1]
    lines = ask("POST", server.url("ksql", "/query-stream"), {"sql": "SELECT n FROM names WHERE name = 'a';"}).body.decode().splitlines()
    assert json.loads(lines[0])["columnNames"] == ["N"] and json.loads(lines[1]) == [3]


def test_pull_queries_refuse_what_they_cannot_answer():
    server = start()
    server.run("CREATE TABLE plain (k VARCHAR PRIMARY KEY, v INT) WITH (KAFKA_TOPIC='plain', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.run("CREATE TABLE names AS SELECT name, COUNT(*) AS n FROM events GROUP BY name EMIT CHANGES;")
    for text, said in [("SELECT * FROM plain;", "isn't queryable"), ("SELECT name, COUNT(*) FROM names GROUP BY name;", "GROUP BY"),
                       ("SELECT nothing FROM names;", "NOTHING"), ("SELECT ROWOFFSET FROM names;", "ROWOFFSET")]:
        refused = server.refused(text, "/query")
        assert refused["error_code"] == 40001 and said in refused["message"], refused


def test_a_pull_query_over_a_stream_reads_from_its_beginning_to_its_present_end():
    server = start()
    server.lines("events", [{"id": n, "name": f"n{n}"} for n in range(1000)])
    assert server.query("SELECT id, name FROM events WHERE id >= 998;") == [[998, "n998"], [999, "n999"]]
    assert len(server.query("SELECT * FROM events LIMIT 7;")) == 7
    parts = ask("POST", server.url("ksql", "/query"), {"ksql": "SELECT id FROM events WHERE id = 1;"}).json
    assert parts[1:] == [{"row": {"columns": [1]}}], parts


def test_the_hundred_and_first_push_query_is_refused():
    server = start()
    host = server.addresses["ksql"]
    body = json.dumps({"ksql": "SELECT id FROM events EMIT CHANGES;"})
    held = []
    for _ in range(100):
        connection = http.client.HTTPConnection(host)
        connection.request("POST", "/query", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        held.append(connection)
    refused = server.refused("SELECT id FROM events EMIT CHANGES;", "/query")
    assert refused["error_code"] == 40003, refused
    for connection in held:
        connection.sock.close() if connection.sock else connection.close()
    held.clear()
    wait_for("room for another", lambda: ask("POST", server.url("ksql", "/query"), {"ksql": "SELECT id FROM events EMIT CHANGES LIMIT 0;"}).status == 200)


def test_a_tenant_that_does_not_exist_is_refused():
    server = Mill()
    answer = ask("POST", server.url("ksql", "/ksql"), {"ksql": "SHOW STREAMS;"}, {"X-Tidemill-Tenant": "acme"})
    assert answer.status == 400 and "acme" in answer.json["message"]
