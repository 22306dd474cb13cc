"""A full disk refuses writes with an error that clients retry, keeps serving what is there, and is over as soon as there is room."""

import json
import subprocess

import golden_text
import kafka_frames as frames
from harness import Server, http, temporary_directory, wait_for

RETRIABLE = {5, 6, 7, 13, 19, 20, 56}  # Kafka's codes whose meaning is "later", 56 is KAFKA_STORAGE_ERROR
SIZE_MB, BALLAST_MB = 96, 48


def small_disk():
    place = temporary_directory()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(place)], check=True)
    (place / "ballast").write_bytes(b"\0" * (BALLAST_MB << 20))
    return place


def write(connection, n):
    value = b"%08d " % n + bytes((n * 31 + i) % 251 for i in range(997)) * 64
    return frames.produce_answer(connection.send(frames.produce("orders", frames.batch(value))).receive())


def test_a_full_disk_refuses_writes_serves_reads_and_recovers_by_itself():
    place = small_disk()
    server = Server({"log.journal_file_bytes": "4MiB"}, data=place / "data")
    server.kcat("-P", "-t", "orders", input=b"first\n")
    connection = frames.Connection(server.addresses["kafka"])
    written, error = 0, 0
    while written < SIZE_MB * 16 and not error:
        error, base, message = write(connection, written)
        if not error:
            written += 1
            assert base == written
    assert written > 50 and error, f"{written} records went onto a disk of {SIZE_MB} MB without an error"
    assert error in RETRIABLE, (error, message)
    golden_text.check("full_disk", message, dir=place / "data")

    sizes = server.kcat("-C", "-t", "orders", "-e", "-q", "-o", "beginning", "-f", "%o\n").splitlines()
    assert [int(s) for s in sizes] == list(range(written + 1)), "what was acknowledged can be read"
    assert http("GET", server.url("http", "/livez")).status == 200
    ready = http("GET", server.url("http", "/readyz"))
    assert ready.status == 503, "a server that cannot write says that it is ready"
    golden_text.check("full_disk_readyz", ready.body.decode(), dir=place / "data")
    wait_for("a warning in the log", lambda: any("disk" in line and json.loads(line)["log.level"] in ("warn", "error") for line in server.log_text().splitlines()))
    (place / "ballast").unlink()
    wait_for("writing to resume by itself", lambda: write(connection, written)[0] == 0, 20)
    assert http("GET", server.url("http", "/readyz")).status == 200
    server.kill()
    server.start()
    assert len(server.kcat("-C", "-t", "orders", "-e", "-q", "-o", "beginning", "-f", "%o\n").splitlines()) == written + 2


def test_a_server_starts_on_a_full_disk_and_serves_what_is_there():
    place = small_disk()
    server = Server({"log.journal_file_bytes": "4MiB"}, data=place / "data")
    server.kcat("-P", "-t", "orders", input=b"first\n")
    connection, n = frames.Connection(server.addresses["kafka"]), 0
    while n < SIZE_MB * 16 and write(connection, n)[0] == 0:
        n += 1
    server.kill()
    server.start()
    assert len(server.kcat("-C", "-t", "orders", "-e", "-q", "-o", "beginning", "-f", "%o\n").splitlines()) == n + 1


def test_a_server_starts_when_listening_json_finds_no_room_and_writes_it_when_there_is_some():
    place = temporary_directory()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,nr_inodes=200", "tmpfs", str(place)], check=True)
    server = Server(data=place / "data")
    server.kcat("-P", "-t", "orders", input=b"first\n")
    server.stop()
    ballast = []
    try:
        for n in range(200):
            ballast.append(place / f"ballast-{n}")
            ballast[-1].touch()
    except OSError:
        ballast.pop()
    server.start(wait=False)
    wait_for("the start to go on without it", lambda: server._alive() and "listening.not_written" in server.log_text())
    for one in ballast:
        one.unlink()
    server.addresses = json.loads(wait_for("listening.json", lambda: (place / "data" / "listening.json").read_text()))
    assert server.records("orders", "%s\n") == "first\n"
