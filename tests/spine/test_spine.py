"""The five-minute story: a change in a database, and a moment later an answer that counts it. And it is all there after a restart."""

import json
import statistics
import time

from harness import Postgres, Server, wait_for

TABLE = """
CREATE TABLE orders (id bigserial PRIMARY KEY, city text NOT NULL, amount bigint NOT NULL);
ALTER TABLE orders REPLICA IDENTITY FULL;
INSERT INTO orders (city, amount) VALUES ('Bremen', 10), ('Porto', 20), ('Porto', 30);
"""
STREAM = """CREATE STREAM orders (id BIGINT, city VARCHAR, amount BIGINT)
  WITH (KAFKA_TOPIC='shop.public.orders', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);"""
VIEW = "CREATE TABLE cities AS SELECT city, COUNT(*) AS orders, SUM(amount) AS amount FROM orders GROUP BY city EMIT CHANGES;"


def answer(server):
    return sorted(row for row in server.query("SELECT city, orders, amount FROM cities;") if row[1])


def database_answer(postgres):
    rows = postgres.sql("SELECT city, count(*), sum(amount) FROM orders GROUP BY city ORDER BY city").splitlines()
    return [[city, int(n), int(amount)] for city, n, amount in (row.split("\t") for row in rows)]


def wait_until_equal(server, postgres, what):
    wait_for(what, lambda: answer(server) == database_answer(postgres))


def start():
    postgres = Postgres()
    postgres.sql(TABLE)
    server = Server()
    server.connector("shop", postgres.connector_config(key__converter__schemas__enable="false", value__converter__schemas__enable="false"))
    server.ksql(STREAM)
    server.ksql(VIEW, {"auto.offset.reset": "earliest"})
    return postgres, server


def events(server):
    return [json.loads(value) if value else None for value in server.records("shop.public.orders", "%s\n").splitlines()]


def test_a_row_inserted_in_psql_is_counted_by_the_query_and_read_by_kcat():
    postgres, server = start()
    wait_until_equal(server, postgres, "the answer over the snapshot")
    postgres.sql("INSERT INTO orders (city, amount) VALUES ('Cork', 7)")
    wait_until_equal(server, postgres, "the inserted row in the answer")
    assert ["Cork", 1, 7] in answer(server)
    found = events(server)
    assert [e["op"] for e in found] == ["r", "r", "r", "c"]
    assert found[3]["after"] == {"id": 4, "city": "Cork", "amount": 7} and found[3]["source"]["table"] == "orders"
    assert json.loads(server.records("shop.public.orders", "%k\n").splitlines()[3]) == {"id": 4}
    assert server.connector_status("shop")["connector"]["state"] == "RUNNING"


def test_updates_and_deletes_take_back_what_they_replace():
    postgres, server = start()
    postgres.sql("UPDATE orders SET amount = 21 WHERE id = 2; UPDATE orders SET city = 'Cork' WHERE id = 3; DELETE FROM orders WHERE id = 1;")
    wait_until_equal(server, postgres, "the changed rows in the answer")
    assert answer(server) == [["Cork", 1, 30], ["Porto", 1, 21]]
    wait_for("the events", lambda: [e and e["op"] for e in events(server)][3:] == ["u", "u", "d", None])


def test_a_restart_keeps_topics_queries_connectors_and_answers():
    postgres, server = start()
    wait_until_equal(server, postgres, "the answer over the snapshot")
    before = server.records("shop.public.orders", "%o %T %k %s\n")
    server.stop()
    postgres.sql("INSERT INTO orders (city, amount) VALUES ('Brest', 1)")
    server.start()
    wait_until_equal(server, postgres, "the row that was written while the server was down")
    after = server.records("shop.public.orders", "%o %T %k %s\n")
    assert after.startswith(before) and len(after.splitlines()) == len(before.splitlines()) + 1
    server.kill()
    server.start()
    postgres.sql("DELETE FROM orders WHERE city = 'Porto'")
    wait_until_equal(server, postgres, "the rows deleted after a kill")
    assert "Porto" not in [row[0] for row in answer(server)]


def test_a_commit_reaches_the_answer_and_how_long_it_took_is_printed():
    postgres, server = start()
    wait_until_equal(server, postgres, "the answer over the snapshot")
    taken = []
    for n in range(20):
        postgres.sql(f"INSERT INTO orders (city, amount) VALUES ('city {n}', {n})")
        committed = time.monotonic()
        wait_for(f"city {n}", lambda: server.query(f"SELECT orders FROM cities WHERE city = 'city {n}';") == [[1]], 10, 0.001)
        taken.append((time.monotonic() - committed) * 1000)
    print(f"     from the end of psql to the answer: median {statistics.median(taken):.1f} ms, longest {max(taken):.1f} ms", flush=True)
