"""Processes that stand still, and clocks that jump: offsets stay as they are, nobody spins, nothing is deleted."""

import json
import os
import signal
import struct
import sys
import time
from datetime import datetime

import harness
from campaign import LONG, Load, begin, clock_step, say, steady_server
from harness import temporary_directory, wait_for
from processes import cores_used

sys.path.insert(0, str(harness.ROOT / "tests" / "ops"))
import kafka_frames as frames  # noqa: E402

PAUSES = (1, 5, 20, 60, 90) if LONG else (1, 5)
STEPS = {"an hour back": -3600, "a day back": -86400, "ten years ahead": 315360000, "where it was": 0}
CREATE_TOPICS = 19
SPINNING_CORES = 0.5  # more than before the step


def paused(pid, seconds):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def test_a_server_and_a_client_that_stand_still_lose_and_double_nothing():
    begin(f"SIGSTOP for {PAUSES} s, of the server and of the client")
    server = steady_server()
    load = Load(server, rate=1000)
    for seconds in PAUSES:
        for pid in (server.process.pid, load.process.pid):
            paused(pid, seconds)
            load.account.wait_for_more(500)
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"{found['acked']} records acknowledged, all found, none twice")


class SteppedClock:
    """A wall clock that can be set, for a program started with `prefix` in front."""

    def __init__(self):
        self.path = temporary_directory() / "step"
        self.set(0)
        self.prefix = ["env", f"LD_PRELOAD={clock_step()}", f"CLOCK_STEP_FILE={self.path}"]

    def set(self, seconds):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds * 10**9))


def clock_error_s(server):
    """By how much the server's wall clock is ahead of ours: it writes a line about a client that speaks another protocol."""
    lines = len(server.log_text().splitlines())
    frames.Connection(server.addresses["kafka"]).send_raw(b"GET / HTTP/1.1\r\n\r\n")
    line = wait_for("a line in the log", lambda: server.log_text().splitlines()[lines:])[-1]
    return datetime.fromisoformat(json.loads(line)["@timestamp"].replace("Z", "+00:00")).timestamp() - time.time()


def make_topics_for_ever(server, count, partitions):
    """Else the records would rightly be gone in ten years, and refused as an hour too early when the server's clock is a day back."""
    settings = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}
    configuration = struct.pack(">i", len(settings)) + b"".join(frames.string(name) + frames.string(value) for name, value in settings.items())
    topics = b"".join(frames.string(f"proof-{n}") + struct.pack(">ihi", partitions, 1, 0) + configuration for n in range(count))
    answer = frames.Reader(frames.Connection(server.addresses["kafka"]).send(frames.request(CREATE_TOPICS, 2, struct.pack(">i", count) + topics + struct.pack(">ib", 10_000, 0))).receive())
    answer.take("iii")
    for _ in range(count):
        name, error, message = answer.string(), answer.take("h"), answer.string()
        assert error == 0, (name, error, message)


def observe_step(server, load, name, before, ends):
    """Some time with that clock; gives the ends of the partitions. The check reads from offset 0: nothing was deleted."""
    load.account.wait_for_more(1000)
    used = cores_used(server.process.pid, 2)
    assert used < before + SPINNING_CORES, f"with the clock {name} the server used {used:.2f} cores, {before:.2f} before"
    now = load.check(server)["ends"]
    assert all(a >= b for a, b in zip(now, ends)), f"with the clock {name} ends went from {ends} to {now}"
    return now


def test_clocks_that_jump_disturb_nothing():
    begin(", ".join(STEPS))
    clock = SteppedClock()
    server = steady_server(prefix=clock.prefix)
    make_topics_for_ever(server, 2, 4)
    load = Load(server, rate=500)
    load.account.wait_for_more(1000)
    before = cores_used(server.process.pid, 2)
    ends = load.check(server)["ends"]
    for name, seconds in STEPS.items():
        clock.set(seconds)
        assert abs(clock_error_s(server) - seconds) < 5, f"the server does not see the clock {name}"
        ends = observe_step(server, load, name, before, ends)
        server.kill()
        server.start()  # a start sees the same clock, and an earlier one in its files
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"{len(STEPS)} steps, a kill after each; {found['acked']} records acknowledged, all found, none twice")
