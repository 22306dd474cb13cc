"""tidemill backup under load, restore, start: every record acknowledged before is there, in order and unchanged, and queries answer the same."""

import subprocess
import threading

from harness import BINARY, Server, temporary_directory, wait_for

SMALL = {"log.journal_file_bytes": "1MiB", "log.sort_bytes": "2MiB", "ksql.service.id": "t"}


def tidemill(*words):
    done = subprocess.run([str(BINARY), *map(str, words)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def produce(server, first, count):
    lines = "".join(f"k{i % 50}\t{{\"id\":{i},\"amount\":{i % 7},\"pad\":\"{'x' * 700}\"}}\n" for i in range(first, first + count))
    server.kcat("-P", "-t", "orders", "-K", "\t", "-p", "0", "-X", "acks=all", input=lines.encode())


def sums(server):
    return sorted(map(tuple, server.query("SELECT amount, n FROM counts;")))


def test_a_backup_under_load_has_every_record_acknowledged_before_it():
    server = Server(SMALL)
    server.ksql("CREATE STREAM orders (id BIGINT, amount BIGINT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.ksql("CREATE TABLE counts AS SELECT amount, COUNT(*) AS n FROM orders GROUP BY amount EMIT CHANGES;", {"auto.offset.reset": "earliest"})
    produce(server, 0, 8000)
    acknowledged, stop = [8000], threading.Event()

    def load():
        while not stop.is_set():
            produce(server, acknowledged[0], 500)
            acknowledged[0] += 500

    loading = threading.Thread(target=load)
    loading.start()
    place = temporary_directory()
    before = acknowledged[0]
    try:
        code, said, why = tidemill("backup", "--data", server.data, "--to", place / "copy")
    finally:
        stop.set()
        loading.join()
    assert code == 0 and "everything up to group" in said, (code, said, why)
    produce(server, acknowledged[0], 10)
    original = server.records("orders", "%o %k %s\n").splitlines()
    server.stop()

    code, said, why = tidemill("restore", "--from", place / "copy", "--data", place / "data")
    assert code == 0, (code, said, why)
    code, said, why = tidemill("scrub", "--data", place / "data")
    assert code == 0, (code, said, why)
    restored = Server(SMALL, data=place / "data")
    records = restored.records("orders", "%o %k %s\n").splitlines()
    assert len(records) >= before, (len(records), before)
    assert len(records) < len(original) and records == original[:len(records)]
    wanted = {amount: sum(1 for i in range(len(records)) if i % 7 == amount) for amount in range(7)}
    wait_for("the query to have seen all", lambda: dict(sums(restored)) == wanted)
    produce(restored, 0, 1)
    assert len(restored.records("orders").splitlines()) == len(records) + 1


def test_what_cannot_be_done_is_said_with_the_reason():
    server = Server(SMALL)
    server.kcat("-P", "-t", "orders", input=b"one\n")
    place = temporary_directory()
    (place / "there").mkdir()
    code, said, why = tidemill("backup", "--data", server.data, "--to", place / "there")
    assert code != 0 and "is there already" in why, (code, said, why)
    code, said, why = tidemill("backup", "--data", server.data, "--to", server.data / "inside")
    assert code == 2, (code, said, why)
    code, said, why = tidemill("backup", "--data", server.data, "--to", place / "copy")
    assert code == 0, (code, said, why)
    code, said, why = tidemill("restore", "--from", place / "copy", "--data", place / "data", "--to-jsn", "999999")
    assert code != 0 and "--to-jsn takes 1 to" in why, (code, said, why)
    server.stop()
    code, said, why = tidemill("backup", "--data", server.data, "--to", place / "copy2")
    assert code == 6 and "no tidemill is running" in why, (code, said, why)
