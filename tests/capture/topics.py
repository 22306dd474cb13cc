"""Reads capture topics: keys, values and headers as they are, and what a consumer who applies them holds in the end."""

import json

from harness import http, wait_for

PLAIN = {"key__converter__schemas__enable": "false", "value__converter__schemas__enable": "false"}


class Record:
    """`value` is None for a tombstone, else the JSON. `op`: of the envelope, 'tombstone', or None where there is no envelope."""

    def __init__(self, key, value, headers):
        self.key = json.loads(key) if key else None
        self.value = None if value is None else json.loads(value)
        self.headers = headers
        payload = self.value.get("payload", self.value) if isinstance(self.value, dict) else None
        self.op = "tombstone" if self.value is None else payload.get("op")

    def __repr__(self):
        return f"{self.op} {self.key}"


def read(server, topic, timeout=60):
    if f'topic "{topic}" with' not in server.kcat("-L").decode():
        return []
    records = []
    for line in server.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%S\t%k\t%s\t%h\n", timeout=timeout).split(b"\n")[:-1]:
        size, key, value, headers = line.split(b"\t")
        records.append(Record(key.decode(), None if size == b"-1" else value.decode(), headers.decode()))
    return records


def end_offset(server, topic):
    """How many records there are."""
    if f'topic "{topic}" with' not in server.kcat("-L").decode():
        return 0
    return int(server.kcat("-Q", "-t", f"{topic}:0:-1").decode().strip().rsplit(" ", 1)[1])


def wait_for_records(server, topic, count, seconds=30):
    wait_for(f"{count} records in {topic} (it has {end_offset(server, topic)}; {server.connector_status('shop')})", lambda: end_offset(server, topic) >= count, seconds)
    found = read(server, topic)
    assert len(found) == count, found
    return found


def wait_until_streaming(server, name="shop"):
    wait_for(f"{name} to stream", lambda: server.connector_status(name)["tidemill"]["progress"].get("phase") == "streaming", 60)


def table_of(records, column="id"):
    """The table that the records lead to; nothing may come twice, nothing may change that is not there."""
    rows = {}
    for record in records:
        if record.op == "tombstone":
            continue
        key = record.key[column]
        if record.op in "rc":
            assert key not in rows, f"{record} is there already"
        else:
            assert key in rows, f"{record} is not there"
        if record.op == "d":
            del rows[key]
        else:
            rows[key] = record.value["after"]
    return rows


def database_table(postgres, table, column="id"):
    return {row[column]: row for row in map(json.loads, postgres.sql(f"SELECT to_json(t) FROM {table} t").splitlines())}


def connect(server, method, path, body=None):
    return http(method, server.url("connect", path), body)
