"""Descriptors, memory and patience run out: those that were served go on being served, and nobody is harmed for good."""

import contextlib
import socket
import struct
import sys
import threading
import time

import harness
from campaign import LONG, Load, begin, say, steady_server
from harness import wait_for
from processes import MemoryLimit, cores_used, memory_mb

sys.path.insert(0, str(harness.ROOT / "tests" / "ops"))
import fetching  # noqa: E402, needs kafka_frames of tests/ops
import kafka_frames as frames  # noqa: E402

DESCRIPTORS, CLIENTS = 200, 400
SLOW_READERS, SLOW_BYTES_A_SECOND = 500, 1000
MEMORY_MB, HOSTILE_SECONDS = 2048, 600 if LONG else 10
UNFINISHED = 40  # of 60 MB each: more than there is


def address_of(server):
    host, port = server.addresses["kafka"].rsplit(":", 1)
    return host, int(port)


def test_clients_beyond_the_descriptors_harm_nobody():
    begin(f"{CLIENTS} clients, {DESCRIPTORS} descriptors")
    server = steady_server(prefix=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", "--"])
    load = Load(server, rate=500)
    crowd = [socket.create_connection(address_of(server), timeout=10) for _ in range(CLIENTS)]
    wait_for("connections to be refused", lambda: "kafka.refused" in server.log_text())
    before = load.account.count()
    load.account.wait_for_more(500, 20)  # more than a journal file: the next one finds a descriptor
    crowded = cores_used(server.process.pid, 3)
    meanwhile = load.account.count() - before
    assert meanwhile > 0, "a client that was there before the crowd is not served any more"
    for one in crowd:
        one.close()
    freed = time.monotonic()
    wait_for("a new client to be served", lambda: server.kcat("-L", "-m", "1", ok=True, timeout=5), 5)
    served = time.monotonic() - freed
    assert "Too many open files" not in server.log_text()
    calm = cores_used(server.process.pid, 2)
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    assert crowded < calm + 0.5, f"the server used {crowded:.2f} cores with clients waiting, {calm:.2f} without"
    say(f"new clients served {served:.2f} s after there was room; {crowded:.2f} cores while they waited, {calm:.2f} after; {meanwhile} records in 3 s meanwhile; {found['acked']} records acknowledged, all found")


def ask_for_much(connection, topic, partition):
    """A fetch of everything, whose answer is not read here."""
    body = struct.pack(">iiiibi", -1, 0, 1, 55 << 20, 0, 1) + frames.string(topic) + struct.pack(">iiqi", 1, partition, 0, 55 << 20)
    frame = frames.request(fetching.FETCH, 4, body)
    connection.sendall(struct.pack(">i", len(frame)) + frame)


class SlowReaders(threading.Thread):
    """Each asks for everything and reads a kilobyte of it every second. `answered`: those that got something."""

    def __init__(self, server, count):
        super().__init__(daemon=True)
        self.readers = [self.connect(server, n) for n in range(count)]
        self.answered = set()
        self.stopping = threading.Event()
        self.start()

    @staticmethod
    def connect(server, n):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(address_of(server))
        ask_for_much(connection, "proof-0", n % 4)
        connection.setblocking(False)
        return connection

    def run(self):
        while not self.stopping.wait(1):
            for reader in self.readers:
                with contextlib.suppress(BlockingIOError):
                    if reader.recv(SLOW_BYTES_A_SECOND):
                        self.answered.add(reader)

    def stop(self):
        self.stopping.set()
        self.join()
        for reader in self.readers:
            reader.close()


def p99(account, from_ns, to_ns):
    latencies = account.latencies_ms(from_ns, to_ns)
    assert len(latencies) > 100
    return latencies[int(0.99 * (len(latencies) - 1))]


def observe(account, seconds, windows=3):
    """The p99 of what is acknowledged in that time: the best of a few windows, for others use this machine as well."""
    found = []
    for _ in range(windows):
        start = time.monotonic_ns()
        time.sleep(seconds / windows)
        found.append(p99(account, start, time.monotonic_ns()))
    return min(found)


def test_five_hundred_slow_readers_do_not_slow_a_producer():
    begin(f"{SLOW_READERS} readers at {SLOW_BYTES_A_SECOND} bytes a second")
    server = steady_server()
    load = Load(server, rate=1000)
    load.account.wait_for_more(4000, 60)
    alone = observe(load.account, 4)
    came_ns = time.monotonic_ns()
    readers = SlowReaders(server, SLOW_READERS)
    wait_for("every slow reader to be answered", lambda: len(readers.answered) == SLOW_READERS, 60)
    rush_ms = load.account.latencies_ms(came_ns, time.monotonic_ns())[-1]
    crowded = observe(load.account, 60 if LONG else 6)
    peak = memory_mb(server.process.pid, "VmHWM")
    readers.stop()
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"p99 of a produced record: {alone:.1f} ms alone, {crowded:.1f} ms beside the slow readers, at most {rush_ms:.0f} ms while they all came at once; memory at most {peak:.0f} MB")
    assert crowded < 2 * alone + 50, f"p99 went from {alone:.1f} to {crowded:.1f} ms"


class Hostile:
    """Clients that begin large requests and do not end them, ask for much and do not read it, and ask for large answers again and again."""

    def __init__(self, server):
        self.server = server
        self.sockets = []

    def begin_requests(self, count, megabytes):
        for _ in range(count):
            one = socket.create_connection(address_of(self.server), timeout=5)
            self.sockets.append(one)
            one.settimeout(0.1)
            with contextlib.suppress(OSError):  # it may not be read, or be shown the door
                one.sendall(struct.pack(">ihhi", 99 << 20, 0, 8, 1) + bytes(megabytes << 20))

    def ask_without_reading(self, count):
        for n in range(count):
            one = socket.create_connection(address_of(self.server), timeout=5)
            self.sockets.append(one)
            for _ in range(16):
                ask_for_much(one, "proof-0", n % 4)

    def end(self):
        for one in self.sockets:
            one.close()


def test_hostile_clients_do_not_take_more_memory_than_there_is():
    begin(f"hostile clients and {MEMORY_MB} MB")
    limit = MemoryLimit(MEMORY_MB)
    server = steady_server(prefix=limit.prefix)
    load = Load(server, rate=500)
    load.account.wait_for_more(4000, 60)
    hostile = Hostile(server)
    hostile.begin_requests(UNFINISHED, 60)
    hostile.ask_without_reading(200)
    start = time.monotonic()
    while time.monotonic() - start < HOSTILE_SECONDS:
        load.account.wait_for_more(100, 20)
    peak = memory_mb(server.process.pid, "VmHWM")
    hostile.end()
    sent, found = load.stop(), load.check(server)
    kills = limit.kills()
    assert found["records"] == sent["sent"], (found, sent)
    assert kills == 0 and peak < MEMORY_MB * 1.1, f"{kills} kills by the kernel, {peak:.0f} MB"
    say(f"memory at most {peak:.0f} of {MEMORY_MB} MB; {found['acked']} records acknowledged meanwhile, all found")
