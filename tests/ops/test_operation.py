"""What an operator holds on to: listening.json, signals, exit codes, health, metrics, logs."""

import json
import signal
import subprocess
import time

import metrics_text
from harness import Server, http, wait_for


def without_doubles(pairs):
    assert len({key for key, _ in pairs}) == len(pairs), f"a key is there twice: {pairs}"
    return dict(pairs)


def log_lines(server):
    """Every line is a JSON object without a key twice, or this fails."""
    return [json.loads(line, object_pairs_hook=without_doubles) for line in server.log_text().splitlines()]


def test_listening_json_names_what_answers_and_goes_at_stop():
    server = Server()
    file = server.data / "listening.json"
    assert {"kafka", "connect", "ksql", "http"} <= json.loads(file.read_text()).keys()
    server.kcat("-L")
    assert http("GET", server.url("connect", "/connectors")).json == []
    assert http("GET", server.url("ksql", "/info")).json["KsqlServerInfo"]["serverStatus"] == "RUNNING"
    assert http("GET", server.url("http", "/livez")).status == 200
    server.stop()
    assert not file.exists()


def test_a_listener_that_is_off_is_absent():
    server = Server({"connect.listen": "off"})
    assert "connect" not in server.addresses and "kafka" in server.addresses


def test_sigterm_and_sigint_end_with_0_within_seconds_with_clients_connected():
    for sign in (signal.SIGTERM, signal.SIGINT):
        server = Server()
        server.kcat("-P", "-t", "orders", input=b"one\n")
        server.process.send_signal(sign)
        started = time.monotonic()
        assert server.process.wait(10) == 0
        assert time.monotonic() - started < 5
        server.start()
        assert server.records("orders", "%s\n") == "one\n"


def test_stop_while_a_push_query_and_a_long_poll_wait():
    server = Server()
    server.ksql("CREATE STREAM clicks (page VARCHAR) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);")
    waiting = [subprocess.Popen(["kcat", "-b", server.addresses["kafka"], "-C", "-t", "clicks", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
               subprocess.Popen(["curl", "-sN", server.url("ksql", "/query"), "-d", '{"ksql":"SELECT * FROM clicks EMIT CHANGES;","streamsProperties":{}}'], stdout=subprocess.PIPE)]
    try:
        assert waiting[1].stdout.readline().startswith(b"[{\"header\"")
        server.stop(seconds=8)
    finally:
        for process in waiting:
            process.kill()
            process.wait()


def test_health_says_alive_and_ready():
    server = Server()
    for path in ("/livez", "/readyz"):
        answer = http("GET", server.url("http", path))
        assert answer.status == 200, (path, answer.body)
    assert http("GET", server.url("http", "/nothing-here")).status == 404


def test_metrics_are_prometheus_text_and_count_what_happened():
    server = Server()
    before = metrics_text.parse(http("GET", server.url("http", "/metrics")).body.decode())
    assert all(name.startswith(("tidemill_", "process_")) for name in before), sorted(before)
    server.kcat("-P", "-t", "orders", input=b"one\ntwo\nthree\n")
    server.records("orders")
    after = wait_for("the log's own counters, which are carried over every second", lambda: (
        (now := metrics_text.parse(http("GET", server.url("http", "/metrics")).body.decode()))["tidemill_log_appended_records_total"][""] >= 3 and now))
    assert after.keys() >= before.keys()

    def grown(name):
        return sum(after[name].values()) - sum(before.get(name, {}).values())

    assert grown("tidemill_kafka_produced_records_total") == 3
    assert grown("tidemill_log_groups_total") > 0 and grown("tidemill_kafka_fetched_bytes_total") > 0


def test_the_log_is_json_lines_with_the_fields_of_ecs():
    server = Server()
    server.stop()
    lines = log_lines(server)
    assert lines
    for line in lines:
        assert {"@timestamp", "log.level", "message"} <= line.keys(), line


def test_a_listener_that_is_not_built_yet_warns_and_is_absent():
    server = Server()
    for name in ("registry", "postgres"):
        told = [line for line in log_lines(server) if line["message"] == "listener.not_built" and line["listener"] == name and line["log.level"] == "warn"]
        assert (name in server.addresses) != bool(told), f"{name}: {server.addresses}, {told}"
    silent = Server({"registry.listen": "off", "postgres.listen": "off"})
    assert not any(line["message"] == "listener.not_built" for line in log_lines(silent))
