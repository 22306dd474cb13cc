"""What a change looks like in its topic: operations, keys, tombstones, schemas, unwrapped rows."""

import topics
from harness import Postgres, Server, http

UNWRAP = {"transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState"}


def start(tables, config=None, **more):
    postgres, server = Postgres(), Server()
    postgres.sql(tables)
    server.connector("shop", postgres.connector_config(**(topics.PLAIN | more)) | (config or {}))
    topics.wait_until_streaming(server)
    return postgres, server


def test_inserts_updates_deletes_and_key_changes_are_told_as_debezium_tells_them():
    postgres, server = start("CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL, n int); INSERT INTO orders VALUES (1, 'tea', NULL)", skipped__operations="none")
    postgres.sql("INSERT INTO orders VALUES (2, 'milk', 5); UPDATE orders SET n = 6 WHERE id = 2; UPDATE orders SET id = 20 WHERE id = 2; DELETE FROM orders WHERE id = 1; TRUNCATE orders")
    told = topics.wait_for_records(server, "shop.public.orders", 9)
    assert [(r.op, r.key and r.key["id"]) for r in told] == [("r", 1), ("c", 2), ("u", 2), ("d", 2), ("tombstone", 2), ("c", 20), ("d", 1), ("tombstone", 1), ("t", None)]
    assert told[1].value["before"] is None and told[1].value["after"] == {"id": 2, "item": "milk", "n": 5}
    assert told[3].headers == '__debezium.newkey={"id":20}' and told[5].headers == '__debezium.oldkey={"id":2}'
    assert told[6].value["after"] is None and told[6].value["before"]["id"] == 1
    assert told[8].value["before"] is None and told[8].value["after"] is None
    source = told[1].value["source"]
    assert (source["connector"], source["name"], source["db"], source["schema"], source["table"]) == ("postgresql", "shop", "postgres", "public", "orders")
    assert source["snapshot"] == "false" and told[0].value["source"]["snapshot"] == "last"
    assert source["lsn"] >= told[0].value["source"]["lsn"] and isinstance(source["txId"], int)
    metrics = http("GET", server.url("http", "/metrics")).body.decode()
    assert 'tidemill_connect_events_total{connector="shop"} 9' in metrics
    assert 'tidemill_connect_tasks{state="running"} 1' in metrics
    assert 'tidemill_connect_lag_seconds{connector="shop"}' in metrics


def test_without_tombstones_truncations_primary_keys_other_tables_or_data():
    postgres, server = start("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1); CREATE TABLE notes (t text); ALTER TABLE notes REPLICA IDENTITY FULL; INSERT INTO notes VALUES ('a'), ('a')",
                             tombstones__on__delete="false")
    postgres.sql("DELETE FROM orders; TRUNCATE orders; INSERT INTO orders VALUES (2)")
    assert [r.op for r in topics.wait_for_records(server, "shop.public.orders", 3)] == ["r", "d", "c"]
    postgres.sql("INSERT INTO notes VALUES ('b'); UPDATE notes SET t = 'c' WHERE t = 'b'; DELETE FROM notes WHERE t = 'c'")
    told = topics.wait_for_records(server, "shop.public.notes", 5)
    assert [r.op for r in told] == ["r", "r", "c", "u", "d"] and all(r.key is None for r in told)
    assert told[3].value["before"] == {"t": "b"} and told[3].value["after"] == {"t": "c"} and told[4].value["before"] == {"t": "c"}
    server.connector("second", postgres.connector_config(**topics.PLAIN, topic__prefix="second", slot__name="second", snapshot__mode="no_data", table__include__list="public\\.ord.*"))
    topics.wait_until_streaming(server, "second")
    postgres.sql("INSERT INTO notes VALUES ('z'); INSERT INTO orders VALUES (3)")
    assert [r.op for r in topics.wait_for_records(server, "second.public.orders", 1)] == ["c"]
    assert "second.public.notes" not in server.kcat("-L").decode()


def test_with_schemas_every_message_describes_itself():
    postgres, server = start("CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL); INSERT INTO orders VALUES (1, 'tea')",
                             key__converter__schemas__enable="true", value__converter__schemas__enable="true")
    postgres.sql("DELETE FROM orders")
    told = topics.wait_for_records(server, "shop.public.orders", 3)
    assert told[0].key == {"schema": {"type": "struct", "optional": False, "name": "shop.public.orders.Key", "fields": [{"type": "int32", "optional": False, "field": "id"}]},
                           "payload": {"id": 1}}
    schema, payload = told[0].value["schema"], told[0].value["payload"]
    assert schema["name"] == "shop.public.orders.Envelope" and schema["version"] == 2
    fields = {f["field"]: f for f in schema["fields"]}
    assert list(fields) == ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]
    row = [{"type": "int32", "optional": False, "field": "id"}, {"type": "string", "optional": False, "field": "item"}]
    for image in ("before", "after"):
        assert fields[image] == {"type": "struct", "optional": True, "name": "shop.public.orders.Value", "field": image, "fields": row}
    assert fields["source"]["name"] == "io.debezium.connector.postgresql.Source"
    assert [f["field"] for f in fields["source"]["fields"]] == list(payload["source"])
    assert told[2].op == "tombstone" and told[2].key["payload"] == {"id": 1}


def test_unwrapped_rows_stand_alone_and_deletes_are_what_was_asked_for():
    tables = "CREATE TABLE orders (id int PRIMARY KEY, item text); INSERT INTO orders VALUES (1, 'tea')"
    rewrite = {"transforms.unwrap.add.fields": "op,source.ts_ms,table", "transforms.unwrap.delete.tombstone.handling.mode": "rewrite-with-tombstone"}
    postgres, server = start(tables, UNWRAP | rewrite)
    # By default a delete is a tombstone; with schemas the row has its own.
    server.connector("second", postgres.connector_config(topic__prefix="second", slot__name="second", key__converter__schemas__enable="false") | UNWRAP)
    topics.wait_until_streaming(server, "second")
    postgres.sql("UPDATE orders SET item = 'salt'; DELETE FROM orders")
    told = topics.wait_for_records(server, "shop.public.orders", 4)
    for record in told[:3]:
        assert record.value.pop("__source_ts_ms") > 0
    assert [r.value for r in told] == [{"id": 1, "item": "tea", "__op": "r", "__table": "orders", "__deleted": "false"},
                                       {"id": 1, "item": "salt", "__op": "u", "__table": "orders", "__deleted": "false"},
                                       {"id": 1, "item": None, "__op": "d", "__table": "orders", "__deleted": "true"}, None]
    told = topics.wait_for_records(server, "second.public.orders", 3)
    schema = {"type": "struct", "optional": True, "name": "second.public.orders.Value",
              "fields": [{"type": "int32", "optional": False, "field": "id"}, {"type": "string", "optional": True, "field": "item"}]}
    assert told[0].value == {"schema": schema, "payload": {"id": 1, "item": "tea"}}
    assert told[2].value is None and told[2].key == {"id": 1}
