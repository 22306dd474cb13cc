"""The Kafka port of a real server, by the clients that Debian has: kcat and librdkafka 2.0.2."""

import re
import socket
import struct
import subprocess
import threading

import harness

SOURCE = harness.ROOT / "tests/kafka/idempotent_roundtrip.c"


def roundtrip_program():
    program = harness.temporary_directory() / "idempotent_roundtrip"
    subprocess.run(["clang-19", "-O1", "-Wall", "-Wextra", "-Werror", SOURCE, "-o", program, "-lrdkafka"], check=True)
    return program


def produce(server, topic, lines, *arguments):
    server.kcat("-P", "-t", topic, *arguments, input="".join(line + "\n" for line in lines).encode())


def offset(server, topic, timestamp):
    return int(re.search(r"offset (-?\d+)", server.kcat("-Q", "-t", f"{topic}:0:{timestamp}").decode())[1])


def connect(server):
    host, port = server.addresses["kafka"].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20)


def test_every_codec_comes_back_as_it_went_in():
    server = harness.Server()
    lines = [f"the same line again and again {i}" for i in range(500)]
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        produce(server, f"codec-{codec}", lines, "-z", codec)
        assert server.records(f"codec-{codec}", "%s\n").splitlines() == lines, codec


def test_metadata_names_the_address_that_the_client_came_by():
    server = harness.Server()
    produce(server, "listed", ["x"])
    listed = server.kcat("-L").decode()
    assert f"at {server.addresses['kafka']}" in listed and 'topic "listed" with 1 partitions' in listed, listed


def test_offsets_by_end_start_and_time():
    server = harness.Server()
    produce(server, "t", ["a", "b", "c"])
    assert offset(server, "t", -1) == 3
    assert offset(server, "t", -2) == 0
    assert offset(server, "t", 1000) == 0
    assert offset(server, "t", 99999999999999) == -1


def test_an_idempotent_producer_writes_ten_thousand_once_and_in_order():
    server = harness.Server()
    done = subprocess.run([roundtrip_program(), server.addresses["kafka"], "numbers", "10000"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "ok 10000\n", done.stdout + done.stderr


def test_acknowledged_records_are_there_after_a_kill():
    server = harness.Server()
    lines = [str(i) for i in range(1000)]
    produce(server, "kept", lines, "-X", "acks=all")
    server.kill()
    server.start()
    assert server.records("kept", "%s\n").splitlines() == lines
    produce(server, "kept", ["after"])
    assert server.records("kept", "%o %s\n").splitlines()[-1] == "1000 after"


def test_a_waiting_consumer_sees_a_record_at_once():
    server = harness.Server()
    produce(server, "live", ["first"])
    consumer = subprocess.Popen(["kcat", "-b", server.addresses["kafka"], "-C", "-q", "-u", "-t", "live", "-o", "beginning", "-c", "2",
                                 "-X", "fetch.wait.max.ms=30000"], stdout=subprocess.PIPE)
    watchdog = threading.Timer(60, consumer.kill)
    watchdog.start()
    assert consumer.stdout.readline() == b"first\n"
    produce(server, "live", ["second"])  # the consumer waits at the end by now, or will find this on its way
    assert consumer.stdout.readline() == b"second\n"
    assert consumer.wait(20) == 0
    watchdog.cancel()


def test_garbage_ends_its_connection_and_no_other():
    server = harness.Server()
    produce(server, "t", ["before"])
    oversized, truncated, unknown = struct.pack(">i", 2**31 - 1), struct.pack(">ihhih", 14, 3, 1, 1, -1) + b"\0\0\3\xe8", struct.pack(">ihhih", 10, 999, 0, 1, -1)
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", oversized, truncated, unknown):
        with connect(server) as client:
            client.sendall(garbage)
            assert client.recv(1) == b"", garbage
    assert server.records("t", "%s\n") == "before\n"


def test_an_unknown_version_of_api_versions_is_answered_in_version_0():
    server = harness.Server()
    with connect(server) as client:
        client.sendall(struct.pack(">ihhih", 10, 18, 99, 7, -1))
        size, correlation, error, count = struct.unpack(">iihi", client.recv(14))
        assert (correlation, error) == (7, 35) and count > 5 and size == 10 + 6 * count
