"""More clients than there are descriptors or memory: those that were there are served, the log goes on, and it is over when they go."""

import json
import socket
import struct

import kafka_frames as frames
from harness import Server, http, wait_for

DESCRIPTORS, CLIENTS = 200, 400


def address_of(server, listener="kafka"):
    host, port = server.addresses[listener].rsplit(":", 1)
    return host, int(port)


def connect(server, listener="kafka"):
    return socket.create_connection(address_of(server, listener), timeout=20)


def metric(server, name):
    lines = http("GET", server.url("http", "/metrics")).body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def produce(connection, value):
    return frames.produce_answer(connection.send(frames.produce("orders", frames.batch(value))).receive())[0]


def warnings(server, event):
    return [line for line in server.log_text().splitlines() if json.loads(line)["message"] == event]


def test_a_crowd_beyond_the_descriptors_is_refused_by_count_and_the_log_finds_room_for_its_files():
    server = Server({"log.journal_file_bytes": "1MiB"}, prefix=["prlimit", f"--nofile=64:{DESCRIPTORS}", "--"])
    server.kcat("-P", "-t", "orders", input=b"first\n")
    before = frames.Connection(server.addresses["kafka"])
    assert produce(before, b"hello") == 0
    crowd = [connect(server) for _ in range(CLIENTS // 2)] + [connect(server, "connect") for _ in range(CLIENTS // 2)]
    wait_for("connections to be refused", lambda: "kafka.refused" in server.log_text())
    value = bytes(n % 251 for n in range(100_000))
    for _ in range(40):
        assert produce(before, value) == 0, "the log stands still while clients have the descriptors"
    assert "Too many open files" not in server.log_text()
    assert len(warnings(server, "kafka.refused")) == 1 and not warnings(server, "kafka.accept")
    for one in crowd:
        one.close()
    wait_for("a new client to be served", lambda: server.kcat("-L", "-t", "orders", timeout=5))
    assert metric(server, "tidemill_connections_refused_total") > CLIENTS - DESCRIPTORS
    server.stop()


def test_unfinished_requests_of_many_clients_take_no_more_memory_than_the_setting_says():
    server = Server({"kafka.memory_bytes_max": "16MiB", "kafka.stalled_timeout": "300ms"})
    server.kcat("-P", "-t", "orders", input=b"first\n")
    resident = memory_mb(server)
    crowd = [connect(server) for _ in range(40)]
    announced = struct.pack(">ihhi", 99 << 20, 0, 8, 1) + bytes(8 << 20)
    for one in crowd:
        one.setblocking(False)
    sent = dict.fromkeys(crowd, 0)

    def all_stuck():
        """Everybody sends what the server takes, until it takes no more or has shown them the door."""
        moved = 0
        for one in list(sent):
            try:
                n = one.send(announced[sent[one]:])
                sent[one] += n
                moved += n
            except BlockingIOError:
                pass
            except OSError:
                del sent[one]
            else:
                if sent[one] == len(announced):
                    del sent[one]
        return not sent

    wait_for("every hostile client to have had its way or to be shown the door", all_stuck, 60, 0.01)
    assert memory_mb(server) < resident + 150, f"{memory_mb(server):.0f} MB, {resident:.0f} before"
    assert produce(frames.Connection(server.addresses["kafka"]), b"x" * 500_000) == 0, "a client that does nothing wrong gets no memory"
    assert metric(server, "tidemill_client_memory_stalled_total") > 0
    assert len(warnings(server, "memory.stalled_clients")) == 1
    server.stop()


def memory_mb(server):
    status = open(f"/proc/{server.process.pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
