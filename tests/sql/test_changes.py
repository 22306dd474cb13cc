"""VALUE_FORMAT='DEBEZIUM_JSON' over envelopes produced by hand: what changes and deletes do to sums, counts, streams and tables."""

import json

from harness import wait_for
from mill import Mill

COLUMNS = "id BIGINT, city VARCHAR, amount BIGINT, price DOUBLE, money DECIMAL(12,2)"


def row(number, city, amount, price=None, money=None):
    return {"id": number, "city": city, "amount": amount, "price": price, "money": money}


def envelope(op, before, after, wrapped=False):
    change = {"before": before, "after": after, "source": {"table": "orders"}, "op": op, "ts_ms": 1}
    return {"schema": {"type": "struct", "name": "shop.public.orders.Envelope"}, "payload": change} if wrapped else change


def start():
    server = Mill()
    server.run(f"CREATE STREAM orders ({COLUMNS}) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);")
    return server


def test_updates_and_deletes_take_back_what_they_replace_from_every_sum():
    server = start()
    server.run("CREATE TABLE cities AS SELECT city, COUNT(*) AS n, SUM(amount) AS amount, SUM(price) AS price, SUM(money) AS money, AVG(price) AS mean, COUNT(money) AS paid FROM orders GROUP BY city EMIT CHANGES;")
    one, two, three = row(1, "Cork", 10, 0.5, "1.10"), row(2, "Cork", 20, 54.5, "2.20"), row(3, "Porto", 5, 1e-5, 12345.67)
    two_later, three_later = row(2, "Cork", 25, 55.5, "3.30"), row(3, "Cork", 5, 1e-5, None)
    for wrapped in (False, True):
        server.put("orders", *(envelope(op, before, after, wrapped) for op, before, after in
                               [("r", None, one), ("c", None, two), ("c", None, three), ("u", two, two_later), ("u", three, three_later), ("d", one, None)]))
        server.put("orders", None, key='{"id":1}')  # the tombstone that follows a delete says nothing new
    server.expect("SELECT city, n, amount, paid FROM cities;", [["Cork", 4, 60, 2], ["Porto", 0, 0, 0]])
    # 55.0 once printed as 5.5e+103: the text of a DOUBLE went through an unterminated buffer
    changes = [line for line in server.records("CITIES", "%k %s\n").splitlines()]
    assert changes[:7] == ['Cork {"N":1,"AMOUNT":10,"PRICE":0.5,"MONEY":1.10,"MEAN":0.5,"PAID":1}', 'Cork {"N":2,"AMOUNT":30,"PRICE":55.0,"MONEY":3.30,"MEAN":27.5,"PAID":2}',
                           'Porto {"N":1,"AMOUNT":5,"PRICE":1.0E-5,"MONEY":12345.67,"MEAN":1.0E-5,"PAID":1}', 'Cork {"N":2,"AMOUNT":35,"PRICE":56.0,"MONEY":4.40,"MEAN":28.0,"PAID":2}',
                           'Porto {"N":0,"AMOUNT":0,"PRICE":0.0,"MONEY":0.00,"MEAN":0.0,"PAID":0}', 'Cork {"N":3,"AMOUNT":40,"PRICE":56.00001,"MONEY":4.40,"MEAN":18.66667,"PAID":2}',
                           'Cork {"N":2,"AMOUNT":30,"PRICE":55.50001,"MONEY":3.30,"MEAN":27.750005,"PAID":1}'], changes
    assert len(changes) == 14


def test_a_filter_lets_a_change_out_as_what_it_means():
    server = start()
    server.run("CREATE STREAM big AS SELECT id, city, amount FROM orders WHERE amount >= 10 EMIT CHANGES; CREATE TABLE sums AS SELECT city, SUM(amount) AS amount FROM orders WHERE amount >= 10 GROUP BY city EMIT CHANGES;")
    small, big, bigger = row(1, "Cork", 5), row(1, "Cork", 10), row(1, "Cork", 11)
    server.put("orders", envelope("c", None, small), envelope("u", small, big), envelope("u", big, bigger), envelope("u", bigger, small), envelope("u", small, big), envelope("d", big, None))
    server.expect("SELECT * FROM sums;", [["Cork", 0]])
    assert server.values("SUMS") == [{"AMOUNT": 10}, {"AMOUNT": 11}, {"AMOUNT": 0}, {"AMOUNT": 10}, {"AMOUNT": 0}]
    kept = [v for v in server.values("BIG") if v]
    assert [v["AMOUNT"] for v in kept] == [10, 11, 10], kept


def test_a_table_over_changes_has_each_key_once():
    server = Mill()
    server.run("CREATE TABLE orders (id BIGINT PRIMARY KEY, city VARCHAR, amount BIGINT) WITH (KAFKA_TOPIC='orders', KEY_FORMAT='JSON', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);"
               "CREATE TABLE cities AS SELECT city, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY city EMIT CHANGES; CREATE TABLE copy AS SELECT id, city, amount FROM orders EMIT CHANGES;")
    change = lambda op, before, after: envelope(op, before, after)
    bare = lambda city, amount: {"city": city, "amount": amount}
    server.put("orders", change("c", None, bare("Cork", 1)), key='{"id":1}')
    server.put("orders", change("c", None, bare("Cork", 2)), key='{"schema":{},"payload":{"id":2}}')
    server.put("orders", change("u", None, bare("Porto", 3)), key='{"id":1}')  # REPLICA IDENTITY DEFAULT: no image of the row before
    server.put("orders", change("d", None, None), key='{"id":2}')
    server.put("orders", None, key='{"id":2}')
    server.expect("SELECT * FROM cities;", [["Cork", 0, 0], ["Porto", 1, 3]])
    server.expect("SELECT * FROM copy;", [[1, "Porto", 3]])
    server.expect("SELECT city FROM copy WHERE id = 1;", [["Porto"]])


def test_an_unwrapped_topic_is_a_plain_json_table():
    server = Mill()
    server.run("CREATE TABLE flat (id BIGINT PRIMARY KEY, city VARCHAR) WITH (KAFKA_TOPIC='flat', KEY_FORMAT='JSON', VALUE_FORMAT='JSON', PARTITIONS=1); CREATE TABLE n AS SELECT city, COUNT(*) AS n FROM flat GROUP BY city EMIT CHANGES;")
    server.put("flat", {"id": 1, "city": "Cork"}, {"id": 1, "city": "Porto"}, key="1")
    server.expect("SELECT * FROM n;", [["Cork", 0], ["Porto", 1]])


def test_what_is_not_a_change_is_logged_and_counts_for_nothing():
    server = start()
    server.run("CREATE TABLE n AS SELECT city, COUNT(*) AS n FROM orders GROUP BY city EMIT CHANGES;")
    good = row(1, "Cork", 1)
    server.put("orders", {"id": 1}, envelope("x", None, good), envelope("c", None, None), '{"op":"c"', '{"op":"c","after":{"id":"many","city":"Cork"}}',
               envelope("u", row("broken", "Cork", 1), good), envelope("t", None, None), {"schema": {}, "payload": None}, envelope("c", None, good))
    server.expect("SELECT * FROM n;", [["Cork", 1]])
    logged = server.wait_values("default_ksql_processing_log", 6)
    offsets = [e["message"]["deserializationError"]["errorMessage"].rsplit("offset ", 1)[1].rstrip(")") for e in logged]
    assert offsets == ["0", "1", "2", "3", "4", "5"], logged


def test_a_change_without_the_row_before_it_is_reported_because_sums_are_wrong_from_then_on():
    server = start()
    server.run("CREATE TABLE n AS SELECT city, SUM(amount) AS amount FROM orders GROUP BY city EMIT CHANGES; CREATE STREAM copy AS SELECT id, amount FROM orders EMIT CHANGES;")
    server.put("orders", envelope("c", None, row(1, "Cork", 1)), envelope("u", None, row(1, "Cork", 2)), envelope("d", None, None))
    server.expect("SELECT * FROM n;", [["Cork", 3]])
    logged = server.wait_values("default_ksql_processing_log", 2)
    assert len(logged) == 2 and all("REPLICA IDENTITY FULL" in e["message"]["recordProcessingError"]["errorMessage"] for e in logged), logged


def test_min_and_max_over_rows_that_can_be_taken_back_are_refused():
    server = start()
    refused = server.refused("CREATE TABLE t AS SELECT city, MAX(amount) FROM orders GROUP BY city EMIT CHANGES;")
    assert "MAX" in refused["message"] and "changelog" in refused["message"]
    assert "reading only" in server.refused("INSERT INTO orders (id) VALUES (1);")["message"]
    assert "reading only" in server.refused("CREATE STREAM x WITH (VALUE_FORMAT='DEBEZIUM_JSON') AS SELECT id FROM orders EMIT CHANGES;")["message"]


def test_a_decimal_sum_that_does_not_fit_stops_the_query_and_says_why():
    server = Mill({"flow.batch_rows_max": "500"})
    server.run("CREATE STREAM d (k VARCHAR, v DECIMAL(4,2)) WITH (KAFKA_TOPIC='d', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.put("d", "\x02".join(['{"k":"a","v":0.01}'] * 9999))
    server.run("CREATE TABLE s AS SELECT k, SUM(v) AS v FROM d GROUP BY k EMIT CHANGES; CREATE TABLE n AS SELECT k, COUNT(*) AS n FROM d GROUP BY k EMIT CHANGES;")
    server.expect("SELECT * FROM s;", [["a", 99.99]])
    server.put("d", "\x02".join(['{"k":"a","v":0.01}'] * 3000))
    query = wait_for("the query to stop", lambda: [q for q in server.run("SHOW QUERIES;")[0]["queries"] if q["state"] == "ERROR"])[0]
    told = server.run(f"EXPLAIN {query['id']};")[0]["queryDescription"]["queryErrors"]
    assert "DECIMAL(4, 2)" in told[0]["errorMessage"], told
    assert server.refused("SELECT * FROM s;", "/query", 503)["error_code"] == 50303
    server.expect("SELECT * FROM n;", [["a", 12999]])
    server.run(f"TERMINATE {query['id']};")


def test_a_query_that_ends_while_its_output_is_being_written_takes_nobody_with_it():
    server = Mill({"flow.batch_rows_max": "500"})
    server.run("CREATE STREAM d (k VARCHAR, v DECIMAL(4,2)) WITH (KAFKA_TOPIC='d', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.put("d", "\x02".join(['{"k":"a","v":0.01}'] * 13000))
    for n in range(10):  # each is at work on the next step while the one before is written
        identity = server.run(f"CREATE TABLE s{n} AS SELECT k, SUM(v) AS v FROM d GROUP BY k EMIT CHANGES;")[0]["commandStatus"]["queryId"]
        wait_for("the query to stop", lambda: [q for q in server.run("SHOW QUERIES;")[0]["queries"] if q["id"] == identity and q["state"] == "ERROR"])
    server.run("TERMINATE ALL;")
    assert len(server.query("SELECT k FROM d;")) == 13000
