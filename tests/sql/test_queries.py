"""Persistent queries: what they write, what they group, what they log, how they are ended."""

import http.client
import json
import subprocess

from harness import wait_for
from mill import EARLIEST, Mill

SALES = "CREATE STREAM sales (k VARCHAR KEY, city VARCHAR, amount BIGINT, price DOUBLE) WITH (KAFKA_TOPIC='sales', VALUE_FORMAT='JSON', PARTITIONS=1);"


def start(statement=SALES):
    server = Mill()
    server.run(statement)
    return server


def test_a_filtered_projection_keeps_key_timestamp_and_headers():
    server = start()
    server.run("CREATE STREAM big AS SELECT k, UCASE(city) AS city, amount * 2 + 1 AS twice FROM sales WHERE amount >= 10 AND city LIKE 'B%' EMIT CHANGES;")
    server.put("sales", {"city": "Bremen", "amount": 9}, {"city": "Bremen", "amount": 10}, {"city": "Porto", "amount": 99}, {"city": "Brest", "amount": 11}, key="k1")
    server.kcat("-P", "-t", "sales", "-H", "h=v", "-K", "|", input=b'k2|{"city": "Bonn", "amount": 50}\n')
    assert server.wait_values("BIG", 3) == [{"CITY": "BREMEN", "TWICE": 21}, {"CITY": "BREST", "TWICE": 23}, {"CITY": "BONN", "TWICE": 101}]
    given = server.records("sales", "%k %T %h\n").splitlines()
    assert server.records("BIG", "%k %T %h\n").splitlines() == [given[1], given[3], given[4]]


def test_a_group_answers_count_sum_avg_min_and_max():
    server = start()
    server.run("CREATE TABLE cities AS SELECT city, COUNT(*) AS n, COUNT(amount) AS known, SUM(amount) AS total, AVG(amount) AS mean, MIN(amount) AS low, MAX(amount) AS high, "
               "SUM(price) AS money, MAX(k) AS last FROM sales GROUP BY city HAVING COUNT(*) > 1 EMIT CHANGES;")
    for key, city, amount, price in [("a", "Cork", 5, 0.5), ("b", "Cork", None, 54.5), ("c", "Porto", 1, 1), ("d", None, 1, 1), ("e", "Cork", -2, 0)]:
        server.put("sales", {"city": city, "amount": amount, "price": price}, key=key)
    server.expect("SELECT * FROM cities;", [["Cork", 3, 2, 3, 1.5, -2, 5, 55.0, "e"]])
    assert server.records("CITIES", "%k %s\n").splitlines() == [
        'Cork {"N":2,"KNOWN":1,"TOTAL":5,"MEAN":5.0,"LOW":5,"HIGH":5,"MONEY":55.0,"LAST":"b"}', 'Cork {"N":3,"KNOWN":2,"TOTAL":3,"MEAN":1.5,"LOW":-2,"HIGH":5,"MONEY":55.0,"LAST":"e"}']


def test_a_table_over_a_topic_counts_each_key_once_and_a_tombstone_takes_it_away():
    server = start("CREATE TABLE people (id BIGINT PRIMARY KEY, city VARCHAR, age INT) WITH (KAFKA_TOPIC='people', KEY_FORMAT='JSON', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.run("CREATE TABLE cities AS SELECT city, COUNT(*) AS n, SUM(age) AS years FROM people GROUP BY city EMIT CHANGES; CREATE TABLE adults AS SELECT id, city FROM people WHERE age >= 18 EMIT CHANGES;")
    for key, value in [("1", {"city": "Cork", "age": 30}), ("2", {"city": "Cork", "age": 17}), ("1", {"city": "Cork", "age": 31}), ("2", {"city": "Porto", "age": 18}), ("1", None), ("3", None)]:
        server.put("people", value, key=key)
    server.expect("SELECT * FROM cities;", [["Cork", 0, 0], ["Porto", 1, 18]])
    server.expect("SELECT * FROM adults;", [[2, "Porto"]])
    assert server.records("CITIES", "%k %s\n").splitlines() == [
        '"Cork" {"N":1,"YEARS":30}', '"Cork" {"N":2,"YEARS":47}', '"Cork" {"N":2,"YEARS":48}', '"Cork" {"N":1,"YEARS":31}', '"Porto" {"N":1,"YEARS":18}', '"Cork" {"N":0,"YEARS":0}']
    assert server.records("ADULTS", "%k %s\n").splitlines() == ['1 {"CITY":"Cork"}', '1 {"CITY":"Cork"}', '2 {"CITY":"Porto"}', "1 "]
    refused = server.refused("CREATE TABLE oldest AS SELECT city, MAX(age) FROM people GROUP BY city EMIT CHANGES;")
    assert "MAX" in refused["message"]


def test_inserted_values_are_in_the_topic_when_the_statement_answers():
    server = start()
    server.run("CREATE TABLE cities AS SELECT city, COUNT(*) AS n, SUM(amount) AS total FROM sales GROUP BY city EMIT CHANGES;")
    assert server.run("INSERT INTO sales (k, city, amount) VALUES ('a', 'Cork', 7); INSERT INTO sales VALUES ('b', 'Cork', -3, 1.5); INSERT INTO sales (ROWTIME, city) VALUES (1234, 'Porto');") == []
    assert server.records("sales", "%k %s\n").splitlines() == ['a {"CITY":"Cork","AMOUNT":7,"PRICE":null}', 'b {"CITY":"Cork","AMOUNT":-3,"PRICE":1.5}', ' {"CITY":"Porto","AMOUNT":null,"PRICE":null}']
    assert server.records("sales", "%T\n").splitlines()[2] == "1234"
    server.expect("SELECT * FROM cities;", [["Cork", 2, 4], ["Porto", 1, 0]])


def test_two_queries_in_a_row_pass_everything_on():
    server = start()
    server.run("CREATE STREAM step AS SELECT k, city, amount + 1 AS amount FROM sales EMIT CHANGES; CREATE TABLE ends AS SELECT city, COUNT(*) AS n, SUM(amount) AS total FROM step GROUP BY city EMIT CHANGES;"
               "CREATE TABLE again AS SELECT n, COUNT(*) AS cities FROM ends GROUP BY n EMIT CHANGES;")
    server.lines("sales", [{"city": "ab"[n % 2], "amount": n} for n in range(2000)])
    server.expect("SELECT * FROM ends;", [["a", 1000, 1000000], ["b", 1000, 1001000]])
    server.expect("SELECT * FROM again WHERE cities > 0;", [[1000, 2]])


def test_partition_by_makes_the_key():
    server = start("CREATE STREAM sales (city VARCHAR, amount BIGINT) WITH (KAFKA_TOPIC='sales', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.run("CREATE STREAM keyed WITH (PARTITIONS=3) AS SELECT amount, city FROM sales PARTITION BY city EMIT CHANGES;")
    server.lines("sales", [{"city": f"c{n % 7}", "amount": n} for n in range(70)])
    wait_for("70 records", lambda: len(server.records("KEYED").splitlines()) == 70)
    where = {}
    for line in server.records("KEYED", "%p %k %s\n").splitlines():
        partition, key, value = line.split(" ")
        assert key == f"c{json.loads(value)['AMOUNT'] % 7}"
        where.setdefault(key, set()).add(partition)
    assert len(where) == 7 and all(len(p) == 1 for p in where.values()) and len(set.union(*where.values())) > 1


def test_bad_rows_go_to_the_processing_log_and_the_others_on():
    server = start()
    server.run("CREATE STREAM copy AS SELECT k, amount, 100 / amount AS share FROM sales EMIT CHANGES;")
    server.put("sales", {"amount": 5}, "{broken", {"amount": "many"}, '{"amount": 4, "city": tru}', "[1]", {"amount": 0}, b'{"city": "\xff"}', {"amount": 2}, key="k")
    assert server.wait_values("COPY", 3) == [{"AMOUNT": 5, "SHARE": 20}, {"AMOUNT": 0, "SHARE": None}, {"AMOUNT": 2, "SHARE": 50}]
    logged = server.wait_values("default_ksql_processing_log", 6)
    assert [e["message"]["type"] for e in logged] == [0, 0, 0, 0, 1, 0] and all(e["level"] == "ERROR" for e in logged)
    read = logged[0]["message"]["deserializationError"]
    assert read["target"] == "value" and read["topic"] == "sales" and "offset 1)" in read["errorMessage"]
    assert "BIGINT" in logged[1]["message"]["deserializationError"]["errorMessage"]
    assert "division by zero" in logged[4]["message"]["recordProcessingError"]["errorMessage"]


def test_whether_a_row_is_bad_does_not_depend_on_the_columns_read():
    server = start()
    server.run("CREATE STREAM narrow AS SELECT k, city FROM sales EMIT CHANGES; CREATE STREAM wide AS SELECT * FROM sales EMIT CHANGES;")
    server.put("sales", {"city": "a", "amount": "x"}, {"city": "b", "amount": 1}, '{"city":"c","amount":1,"more":nul}', {"city": "d"}, key="k")
    assert [v["CITY"] for v in server.wait_values("NARROW", 2)] == ["b", "d"] == [v["CITY"] for v in server.wait_values("WIDE", 2)]


def test_a_row_too_large_for_the_log_is_logged_and_the_query_goes_on():
    server = start()
    server.run("CREATE STREAM wide AS SELECT k, amount, RPAD('', CAST(amount AS INT), 'x') AS one, RPAD('', CAST(amount AS INT), 'y') AS two FROM sales EMIT CHANGES;")
    server.put("sales", {"amount": 10}, {"amount": 3000000}, {"amount": 1900000}, {"amount": 1800000}, {"amount": 20}, key="k")
    assert [v["AMOUNT"] for v in server.wait_values("WIDE", 4)] == [10, 1900000, 1800000, 20]
    logged = server.wait_values("default_ksql_processing_log", 1)
    assert logged[0]["message"]["type"] == 2 and "too large" in logged[0]["message"]["productionError"]["errorMessage"], logged
    assert server.run("SHOW QUERIES;")[0]["queries"][0]["state"] == "RUNNING"


def test_what_is_read_or_written_by_a_query_is_not_dropped():
    server = start()
    made = server.run("CREATE STREAM one AS SELECT * FROM sales EMIT CHANGES; CREATE STREAM two AS SELECT * FROM one EMIT CHANGES;")
    one, two = (m["commandStatus"]["queryId"] for m in made)
    assert one.startswith("CSAS_ONE_") and two.startswith("CSAS_TWO_")
    for statement in ("DROP STREAM sales;", "DROP STREAM one;", "DROP STREAM two DELETE TOPIC;"):
        assert "terminate them before" in server.refused(statement)["message"]
    server.run(f"TERMINATE {two}; DROP STREAM two DELETE TOPIC;")
    assert "TWO" not in [t["name"] for t in server.run("SHOW TOPICS;")[0]["topics"]]
    server.run("TERMINATE ALL; DROP STREAM one; DROP STREAM sales;")
    assert server.run("SHOW QUERIES; SHOW STREAMS;")[1]["streams"] == []
    assert "ONE" in [t["name"] for t in server.run("SHOW TOPICS;")[0]["topics"]]
    assert server.run("DROP STREAM IF EXISTS sales;")[0]["@type"] == "warning_entity"
    assert "does not exist" in server.refused("DROP TABLE sales;")["message"]


def test_a_terminated_query_writes_no_more_and_its_table_is_no_longer_pulled():
    server = start()
    identity = server.run("CREATE TABLE cities AS SELECT city, COUNT(*) AS n FROM sales GROUP BY city EMIT CHANGES;")[0]["commandStatus"]["queryId"]
    server.put("sales", {"city": "Cork"}, key="k")
    server.expect("SELECT * FROM cities;", [["Cork", 1]])
    server.run(f"TERMINATE {identity};")
    server.put("sales", {"city": "Cork"}, key="k")
    assert "isn't queryable" in server.refused("SELECT * FROM cities;", "/query")["message"]
    assert len(server.records("CITIES").splitlines()) == 1
    # what was written can still be read as a stream of its changes
    assert server.push("SELECT * FROM cities EMIT CHANGES LIMIT 1;")[1] == {"row": {"columns": ["Cork", 1]}}


def test_replacing_a_source_does_not_change_a_query_behind_its_back():
    server = start()
    server.run("CREATE STREAM copy AS SELECT * FROM sales EMIT CHANGES;")
    refused = server.refused("CREATE OR REPLACE STREAM sales (k VARCHAR KEY, city VARCHAR) WITH (KAFKA_TOPIC='sales', VALUE_FORMAT='JSON');")
    assert "CSAS_COPY_" in refused["message"], refused
    server.run("TERMINATE ALL; CREATE OR REPLACE STREAM sales (k VARCHAR KEY, city VARCHAR) WITH (KAFKA_TOPIC='sales', VALUE_FORMAT='JSON');")
    assert [f["name"] for f in server.run("DESCRIBE sales;")[0]["sourceDescription"]["fields"]] == ["K", "CITY"]


def test_a_query_must_not_write_into_the_topic_it_reads():
    server = start()
    refused = server.refused("CREATE STREAM echo WITH (KAFKA_TOPIC='sales') AS SELECT k, city FROM sales EMIT CHANGES;")
    assert "sales" in refused["message"], refused


def test_a_query_made_while_records_arrive_misses_none():
    server = start()
    feeder = subprocess.Popen(["kcat", "-b", server.addresses["kafka"], "-P", "-t", "sales", "-X", "linger.ms=1"], stdin=subprocess.PIPE)
    total = 20000
    for n in range(total):
        feeder.stdin.write(b'{"city":"c%d","amount":1}\n' % (n % 10))
        if n in (5000, 10000):
            feeder.stdin.flush()
            server.run(f"CREATE TABLE t{n} AS SELECT city, COUNT(*) AS n FROM sales GROUP BY city EMIT CHANGES;")
    feeder.stdin.close()
    assert feeder.wait() == 0
    for n in (5000, 10000):
        server.expect(f"SELECT * FROM t{n};", [[f"c{i}", total // 10] for i in range(10)])


def test_pulls_answer_whole_rows_while_the_state_changes():
    server = start()
    server.run("CREATE TABLE sums AS SELECT city, COUNT(*) AS n, SUM(amount) AS total FROM sales GROUP BY city EMIT CHANGES;")
    feeder = subprocess.Popen(["kcat", "-b", server.addresses["kafka"], "-P", "-t", "sales", "-X", "linger.ms=1"], stdin=subprocess.PIPE)
    seen = set()
    for n in range(300):
        feeder.stdin.write(b"".join(b'{"city":"c%d","amount":2}\n' % (i % 100) for i in range(200)))
        if n % 10 == 5:
            for row in server.query("SELECT * FROM sums;") + server.query("SELECT * FROM sums WHERE city = 'c7';"):
                assert row[2] == 2 * row[1], row
                seen.add(row[1])
    feeder.stdin.close()
    assert feeder.wait() == 0
    server.expect("SELECT * FROM sums WHERE city = 'c7';", [["c7", 600, 1200]])
    assert len(seen) > 3


def test_a_slow_client_of_a_push_query_gets_everything_in_the_end():
    server = start("CREATE STREAM wide (n BIGINT, text VARCHAR) WITH (KAFKA_TOPIC='wide', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.lines("wide", [{"n": n, "text": "x" * 2000} for n in range(30000)])  # 60 MB: more than any queue holds
    connection = http.client.HTTPConnection(server.addresses["ksql"])
    connection.request("POST", "/query", json.dumps({"ksql": "SELECT * FROM wide EMIT CHANGES LIMIT 30000;", "streamsProperties": EARLIEST}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    first = answer.read(1000)
    server.put("wide", {"n": -1})
    server.query("SELECT n FROM wide WHERE n = 5;")  # others are served while it waits
    rss = int(next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmRSS")).split()[1])
    rows = [part["row"]["columns"][0] for part in json.loads(first + answer.read()) if "row" in part]
    assert rows == list(range(30000))
    assert rss < 400_000, f"{rss} kB while a client did not read"


def test_names_in_quotes_keep_their_case_and_stay_in_their_place():
    server = start()
    made = server.run("CREATE STREAM \"../../../Out of here\" WITH (KAFKA_TOPIC='plain.name') AS SELECT k, city AS \"City\" FROM sales EMIT CHANGES;")
    identity = made[0]["commandStatus"]["queryId"]
    server.put("sales", {"city": "Cork"}, key="k")
    assert server.wait_values("plain.name", 1) == [{"City": "Cork"}]
    server.stop()
    assert [p.relative_to(server.data / "state").parts[1:] for p in server.data.glob("state/**/*.snapshot")] == [("00000000000000000001.snapshot",)]
    server.start()
    assert server.push("SELECT \"City\" FROM \"../../../Out of here\" EMIT CHANGES LIMIT 1;")[1] == {"row": {"columns": ["Cork"]}}
    server.run(f'TERMINATE "{identity}";')
    assert list(server.data.glob("state/**/*.snapshot")) == []


def test_a_record_without_key_and_value_is_passed_on_and_a_negative_time_is_not():
    server = start("CREATE STREAM plain (at BIGINT) WITH (KAFKA_TOPIC='plain', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.run("CREATE STREAM copy WITH (TIMESTAMP='AT') AS SELECT * FROM plain EMIT CHANGES;")
    server.put("plain", {"at": 5})
    server.put("plain", None, key="")  # kcat -Z: no key either
    server.put("plain", {"at": -2}, {"at": 7})
    wait_for("three records", lambda: len(server.records("COPY", "%o\n").splitlines()) == 3)
    assert server.records("COPY", "%S %s %T\n").splitlines()[0::2] == ['8 {"AT":5} 5', '8 {"AT":7} 7'] and server.records("COPY", "%S\n").splitlines()[1] == "-1"
    assert "negative" in server.wait_values("default_ksql_processing_log", 1)[0]["message"]["productionError"]["errorMessage"]


def test_a_star_brings_the_key_that_partition_by_makes():
    server = start()
    server.run("CREATE STREAM keyed AS SELECT * FROM sales PARTITION BY UCASE(city) EMIT CHANGES;")
    server.put("sales", {"city": "Cork", "amount": 1}, key="k")
    assert server.wait_values("KEYED", 1) == [{"K": "k", "CITY": "Cork", "AMOUNT": 1, "PRICE": None}]
    assert server.records("KEYED", "%k") == "CORK"


def test_what_the_requests_properties_say_holds_after_a_restart():
    server = Mill()
    properties = EARLIEST | {"ksql.persistence.default.format.value": "JSON", "ksql.persistence.wrap.single.values": "false", "ksql.output.topic.name.prefix": "made-"}
    server.ksql("CREATE STREAM bare (v BIGINT) WITH (KAFKA_TOPIC='bare', PARTITIONS=1); CREATE STREAM more AS SELECT v + 1 AS v FROM bare EMIT CHANGES;", properties)
    server.put("bare", "5")
    wait_for("the row", lambda: server.records("made-MORE", "%s\n") == "6\n")
    server.kill()
    server.start()
    server.put("bare", "6")
    wait_for("the row after a restart", lambda: server.records("made-MORE", "%s\n") == "6\n7\n")
