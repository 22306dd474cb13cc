"""Kill the server fifty times under load, and nothing is lost, doubled or out of order. The seed is printed; TIDEMILL_SEED repeats the
choices of a run, TIDEMILL_KILLS changes their number."""

import os
import random
import time

import captured
import workload
from harness import Postgres, Server, free_port, wait_for
from producer import SteadyProducer, record

SEED = int(os.environ.get("TIDEMILL_SEED", random.SystemRandom().randrange(10**9)))
KILLS = int(os.environ.get("TIDEMILL_KILLS", 50))
KILLS_IN_SNAPSHOT = KILLS // 6

STATEMENTS = """
CREATE STREAM orders (id BIGINT, customer INT, status VARCHAR, amount BIGINT, ver BIGINT)
  WITH (KAFKA_TOPIC='shop.public.orders', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);
CREATE STREAM accounts (id INT, kind VARCHAR, balance BIGINT) WITH (KAFKA_TOPIC='shop.public.accounts', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);
CREATE TABLE by_status AS SELECT status, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY status EMIT CHANGES;
CREATE TABLE by_customer AS SELECT customer, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY customer EMIT CHANGES;
CREATE TABLE bank AS SELECT kind, COUNT(*) AS n, SUM(balance) AS total FROM accounts GROUP BY kind EMIT CHANGES;
"""
# The last transaction: when a query's answer shows its row, the query has read everything before it.
MARKER = """BEGIN;
INSERT INTO orders VALUES (9000000000, -1, 'marker', 1, 0, NULL, now(), 0);
INSERT INTO accounts VALUES (-1, 'marker', 0, 0);
SELECT pg_current_wal_insert_lsn();
COMMIT;"""
QUERIES = {"by_status": ("status", "'marker'", "orders", "amount"), "by_customer": ("customer", "-1", "orders", "amount"), "bank": ("kind", "'marker'", "accounts", "balance")}


def start_shop(postgres):
    server = Server({"kafka.listen": f"127.0.0.1:{free_port()}"})  # one port for all lives, so that the producer finds it again
    server.ksql(STATEMENTS, {"auto.offset.reset": "earliest"})
    server.kcat("-P", "-t", "plain", "-K", ":", input=b"first:record\n")
    server.connector("shop", postgres.connector_config(
        slot__name="shop", publication__name="shop", publication__autocreate__mode="filtered", table__include__list="public.orders,public.accounts",
        provide__transaction__metadata="true", decimal__handling__mode="string", key__converter__schemas__enable="false", value__converter__schemas__enable="false"))
    return server


def end_offset(server, topic):
    return int(server.kcat("-Q", "-t", f"{topic}:0:-1").split()[-1])


def kill_many(server, rng):
    """The first kills are close together and hit the snapshot; some hit a server that is not ready yet. Returns how many lives ended
    with the snapshot unfinished."""
    unfinished, end = 0, 0
    for n in range(KILLS):
        time.sleep(rng.uniform(0, 0.3) if n < KILLS_IN_SNAPSHOT else rng.uniform(0, 2.0))
        server.kill()
        if rng.random() < 0.2:
            server.start(wait=False)
            time.sleep(rng.uniform(0, 0.3))
            server.kill()
        server.start()
        now = end_offset(server, "shop.public.orders")
        assert now >= end, f"the topic's end went back from {end} to {now}"
        end = now
        unfinished += end < workload.INITIAL_ORDERS
    return unfinished


def write_marker(server, postgres):
    """Waits until PostgreSQL knows the last row safe with us, and every answer includes it."""
    lsn = postgres.sql(MARKER)
    confirmed = f"SELECT confirmed_flush_lsn > '{lsn}' FROM pg_replication_slots WHERE slot_name = 'shop'"
    wait_for("the connector to confirm the marker's position", lambda: postgres.sql(confirmed) == "t", 90)
    for table, (key, marker, _, _) in QUERIES.items():
        wait_for(f"{table} to count the marker", lambda: server.query(f"SELECT n FROM {table} WHERE {key} = {marker};") == [[1]], 60)


def check_answers(server, postgres):
    for table, (key, _, source, amount) in QUERIES.items():
        rows = postgres.sql(f"SELECT {key}, count(*), sum({amount}) FROM {source} GROUP BY 1").splitlines()
        expected = {k: (int(n), int(total)) for k, n, total in (row.split("\t") for row in rows)}
        ours = {str(k): (n, total) for k, n, total in server.query(f"SELECT {key}, n, total FROM {table};") if n}
        wrong = sorted(k for k in expected.keys() | ours.keys() if ours.get(k) != expected.get(k))
        assert not wrong, f"{table}: " + "; ".join(f"{k}: ours {ours.get(k)}, PostgreSQL's {expected.get(k)}" for k in wrong[:5])
    assert postgres.sql("SELECT sum(balance) FROM accounts") == str(workload.ACCOUNTS * 1000)


def check_capture(server, postgres):
    topics = {table: captured.read(server, f"shop.public.{table}") for table in ("orders", "accounts")}
    tables, snapshots = {}, {}
    for table, events in topics.items():
        tables[table], snapshots[table] = captured.check_order(events)
    covered = captured.check_audit(postgres, topics, snapshots)
    orders = {k: (k, r["customer"], r["status"], r["amount"], r["price"], r["note"], captured.microseconds(r["placed"]), r["ver"]) for k, r in tables["orders"].items()}
    captured.compare_tables("orders", orders, captured.database_rows(
        postgres, "orders", "id, customer, status, amount, price::text, note, (extract(epoch FROM placed) * 1000000)::bigint, ver"))
    accounts = {k: (k, r["kind"], r["balance"], r["ver"]) for k, r in tables["accounts"].items()}
    captured.compare_tables("accounts", accounts, captured.database_rows(postgres, "accounts", "id, kind, balance, ver"))
    return sum(len(events) for events in topics.values()), len(snapshots["orders"]), covered


def check_produced(server, producer):
    """Every acknowledged record is at the offset that was acknowledged, no record is there twice, all are in the order sent."""
    assert not producer.failed, f"{len(producer.failed)} records were refused: {sorted(producer.failed.items())[:5]}"
    numbers = {}
    for line in server.kcat("-C", "-t", "plain", "-e", "-q", "-o", "1", "-f", "%o\t%k\t%s\n").split(b"\n")[:-1]:
        offset, key, value = line.split(b"\t")
        assert value == record(int(key)), f"offset {offset}: key {key} has the value {value[:30]}"
        assert int(key) not in numbers, f"record {int(key)} is there twice: at {numbers[int(key)]} and {int(offset)}"
        numbers[int(key)] = int(offset)
    assert list(numbers) == sorted(numbers), "records are not in the order sent"
    wrong = [(n, offset, numbers.get(n)) for n, offset in producer.acknowledged.items() if numbers.get(n) != offset]
    assert not wrong, f"{len(wrong)} acknowledged records are lost or elsewhere; (number, acknowledged offset, found at): {wrong[:5]}"


def test_fifty_kills_lose_double_and_reorder_nothing():
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    postgres = Postgres()
    workload.make_tables(postgres)
    load = workload.Workload(postgres, SEED)
    server = start_shop(postgres)
    records = SteadyProducer(server.addresses["kafka"], "plain", rate=150)
    unfinished = kill_many(server, random.Random(SEED))
    load.stop()
    producer = records.finish(seconds=60)
    write_marker(server, postgres)
    check_answers(server, postgres)
    records, snapshot_rows, covered = check_capture(server, postgres)
    check_produced(server, producer)
    print(f"{load.transactions} transactions, {snapshot_rows} rows in the snapshot, which {unfinished} kills interrupted and which covers {covered} changes; "
          f"{records} records captured, {len(producer.acknowledged)} produced records acknowledged", flush=True)
    assert unfinished, "no kill hit the snapshot; make it larger"
