"""Kafka Connect's REST interface, route by route, in its shapes."""

import json

import topics
from harness import Postgres, Server, wait_for

CLASS = "io.debezium.connector.postgresql.PostgresConnector"


def start(password=None, **more):
    postgres, server = Postgres(password=password), Server()
    postgres.sql("CREATE TABLE orders (id int PRIMARY KEY, item text); INSERT INTO orders VALUES (1, 'tea')")
    return postgres, server, postgres.connector_config(**topics.PLAIN, **more)


def state(server, name="shop"):
    return server.connector_status(name)["tasks"][0]["state"]


def test_every_route_answers_as_kafka_connect_does():
    postgres, server, config = start()
    ask = lambda method, path, body=None: topics.connect(server, method, path, body)
    assert ask("GET", "/").json.keys() == {"version", "commit", "kafka_cluster_id"}
    assert ask("GET", "/connectors").json == []
    made = ask("POST", "/connectors", {"name": "shop", "config": config})
    assert made.status == 201
    shown = config | {"name": "shop", "database.password": "********"}
    info = {"name": "shop", "config": shown, "tasks": [{"connector": "shop", "task": 0}], "type": "source"}
    assert made.json == info
    assert ask("POST", "/connectors", {"name": "shop", "config": config}).status == 409
    assert ask("GET", "/connectors").json == ["shop"]
    assert ask("GET", "/connectors/shop").json == info
    assert ask("GET", "/connectors/shop/config").json == shown
    topics.wait_for_records(server, "shop.public.orders", 1)
    wait_for("RUNNING", lambda: state(server) == "RUNNING")
    status = ask("GET", "/connectors/shop/status").json
    assert status["name"] == "shop" and status["type"] == "source"
    assert status["connector"] == {"state": "RUNNING", "worker_id": "tidemill"}
    assert status["tasks"] == [{"id": 0, "state": "RUNNING", "worker_id": "tidemill"}]
    assert ask("GET", "/connectors/shop/tasks").json == [{"id": {"connector": "shop", "task": 0}, "config": shown}]
    assert ask("GET", "/connectors/shop/tasks/0/status").json == status["tasks"][0]
    assert ask("GET", "/connectors/shop/tasks/1/status").status == 404
    assert ask("GET", "/connectors/shop/topics").json == {"shop": {"topics": ["shop.public.orders"]}}
    assert ask("GET", "/connectors?expand=info").json == {"shop": {"info": info}}
    both = ask("GET", "/connectors?expand=status&expand=info").json["shop"]
    assert both["info"] == info and both["status"]["tasks"] == status["tasks"]
    assert ask("PUT", "/connectors/shop/config", config | {"name": "other"}).status == 400
    assert ask("PUT", "/connectors/shop/config", config).status == 200
    assert ask("PUT", "/connectors/shop/config", b"{not json").status == 400
    assert ask("PUT", "/connectors/new/config", {"connector.class": CLASS}).status == 400
    assert ask("POST", "/connectors/shop/restart").status == 204
    assert ask("POST", "/connectors/shop/restart?includeTasks=true").json["name"] == "shop"
    assert ask("POST", "/connectors/shop/tasks/0/restart").status == 204
    assert ask("DELETE", "/connectors/shop").status == 204
    for method, path in [("GET", ""), ("GET", "/config"), ("GET", "/status"), ("GET", "/tasks"), ("GET", "/topics"), ("POST", "/restart"), ("PUT", "/pause"),
                         ("PUT", "/resume"), ("DELETE", "")]:
        missing = ask(method, f"/connectors/shop{path}")
        assert missing.status == 404 and missing.json["error_code"] == 404, f"{method} {path}: {missing.status} {missing.body}"
    assert ask("GET", "/connectors").json == []


def test_plugins_are_listed_with_their_properties_and_validate_a_configuration():
    server = Server()
    assert topics.connect(server, "GET", "/connector-plugins").json == [{"class": CLASS, "type": "source", "version": "0.1.0"}]
    defined = {d["name"]: d for d in topics.connect(server, "GET", f"/connector-plugins/{CLASS}/config").json}
    assert defined["database.hostname"]["required"] and defined["database.password"]["type"] == "PASSWORD" and defined["database.port"]["default_value"] == "5432"
    answer = topics.connect(server, "PUT", "/connector-plugins/PostgresConnector/config/validate", {"connector.class": CLASS, "topic.prefix": "p", "database.hostname": "h", "database.user": "u",
                                                                                                   "snapshot.mode": "sometimes", "database.password": "geheim"})
    assert answer.status == 200 and answer.json["error_count"] == 2 and "geheim" not in answer.body.decode()
    errors = {c["value"]["name"]: c["value"]["errors"] for c in answer.json["configs"] if c["value"]["errors"]}
    assert errors == {"snapshot.mode": ['snapshot.mode is "sometimes"; allowed are initial, initial_only, no_data, never'], "database.dbname": ["database.dbname is missing: database to capture"]}
    assert topics.connect(server, "PUT", "/connector-plugins/com.example.Nothing/config/validate", {}).status == 404


def test_a_configuration_read_and_put_back_keeps_the_password_and_goes_on_capturing():
    postgres, server, config = start(password="a-good-secret")
    server.connector("shop", config)
    topics.wait_for_records(server, "shop.public.orders", 1)
    shown = topics.connect(server, "GET", "/connectors/shop/config").json
    assert shown["database.password"] == "********"
    server.connector("shop", shown | {"tombstones.on.delete": "false"})
    postgres.sql("DELETE FROM orders; INSERT INTO orders VALUES (2, 'salt')")
    assert [r.op for r in topics.wait_for_records(server, "shop.public.orders", 3)] == ["r", "d", "c"]
    server.kill()
    server.start()
    postgres.sql("INSERT INTO orders VALUES (3, 'rye')")
    topics.wait_for_records(server, "shop.public.orders", 4)
    assert "a-good-secret" not in server.log_text()


def test_what_is_odd_in_a_configuration_is_said_in_the_status_and_in_the_log():
    postgres, server, config = start(max__batch__size="10", provide__transaction__metadata="true")
    server.connector("shop", config | {"tabel.include.list": "x"})
    warnings = server.connector_status("shop")["tidemill"]["warnings"]
    assert "unknown property tabel.include.list: ignored" in warnings
    assert "property max.batch.size has no effect here: batches form by themselves" in warnings
    assert any("the topic shop.transaction is not written" in w for w in warnings)
    assert all(json.dumps(w)[1:-1] in server.log_text() for w in warnings)


def test_pause_restart_and_resume_leave_no_gap_and_no_double():
    postgres, server, config = start()
    server.connector("shop", config)
    topics.wait_for_records(server, "shop.public.orders", 1)
    assert topics.connect(server, "PUT", "/connectors/shop/pause").status == 202
    assert state(server) == "PAUSED" and server.connector_status("shop")["connector"]["state"] == "PAUSED"
    postgres.sql("INSERT INTO orders VALUES (2, 'while paused')")
    server.stop()
    server.start()
    assert state(server) == "PAUSED"
    assert topics.end_offset(server, "shop.public.orders") == 1
    assert topics.connect(server, "PUT", "/connectors/shop/resume").status == 202
    topics.wait_for_records(server, "shop.public.orders", 2)
    for n in range(3, 8):
        postgres.sql(f"INSERT INTO orders VALUES ({n}, 'x')")
        assert topics.connect(server, "POST", "/connectors/shop/restart").status == 204
    assert len(topics.table_of(topics.wait_for_records(server, "shop.public.orders", 7))) == 7


def test_a_second_connector_with_the_same_slot_is_refused_and_a_deleted_one_frees_it():
    postgres, server, config = start(slot__name="mill")
    server.connector("shop", config)
    topics.wait_for_records(server, "shop.public.orders", 1)
    topics.wait_until_streaming(server)
    second = topics.connect(server, "PUT", "/connectors/second/config", config | {"topic.prefix": "second"})
    assert second.status == 400
    assert second.json["message"] == f'slot.name "mill" at 127.0.0.1:{postgres.port} is used by connector "shop"; choose another slot.name'
    assert topics.connect(server, "DELETE", "/connectors/shop").status == 204
    # It stays, as Debezium's does, but nobody holds it: the next connector goes on with it, or somebody drops it.
    wait_for("the slot to be free", lambda: postgres.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'mill'") == "f")
    server.connector("second", config | {"topic.prefix": "second"})
    topics.wait_for_records(server, "second.public.orders", 1)
    assert topics.connect(server, "DELETE", "/connectors/second").status == 204
    wait_for("the slot to be free", lambda: postgres.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'mill'") == "f")
    postgres.sql("SELECT pg_drop_replication_slot('mill')")
