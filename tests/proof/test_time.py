"""Processes that stand still, and clocks that jump: offsets stay as they are, nobody spins, nothing is deleted."""

import glob
import os
import signal
import time

from campaign import LONG, Load, begin, say, steady_server
from harness import temporary_directory, wait_for
from processes import cores_used

PAUSES = (1, 5, 20, 60, 90) if LONG else (1, 5)
STEPS = {"an hour back": "-3600", "a day back": "-86400", "ten years ahead": "+315360000", "where it was": "+0"}
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


def fake_clock():
    """What to start a program with so that its wall clock follows a file, and that file."""
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
    assert library, "libfaketime is not here: install Debian's package faketime"
    step = temporary_directory() / "step"
    step.write_text("+0\n")
    return ["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={step}", "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"], step


def newest_time_ms(server):
    return int(server.kcat("-C", "-t", "clock", "-o", "-1", "-c", "1", "-q", "-f", "%T"))


def clock_error_s(server):
    """What the server's own clock is ahead of ours: topic `clock` has the time of the log."""
    server.kcat("-P", "-t", "clock", input=b"tick\n")
    return newest_time_ms(server) / 1000 - time.time()


def test_clocks_that_jump_disturb_nothing():
    begin(", ".join(STEPS))
    prefix, step = fake_clock()
    server = steady_server(prefix=prefix)
    server.kcat("-L", "-t", "clock")
    load = Load(server, rate=500)
    load.account.wait_for_more(1000)
    before = cores_used(server.process.pid, 2)
    ends, files = load.check(server)["ends"], names(server)
    for name, offset in STEPS.items():
        step.write_text(f"{offset}\n")
        wait_for(f"the server's log to see the clock {name}", lambda: step_is_seen(server, float(offset)), 20)
        load.account.wait_for_more(1000)
        after = cores_used(server.process.pid, 2)
        assert after < before + SPINNING_CORES, f"with the clock {name} the server used {after:.2f} cores, {before:.2f} before"
        now = load.check(server)["ends"]
        assert all(a >= b for a, b in zip(now, ends)), f"with the clock {name} ends went from {ends} to {now}"
        assert files <= names(server), f"with the clock {name} files went: {files - names(server)}"
        ends = now
    server.kill()
    server.start()
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"{len(STEPS)} steps; {found['acked']} records acknowledged, all found, none twice")


def names(server):
    return {str(p.relative_to(server.data)) for p in server.data.rglob("*.journal")}


def step_is_seen(server, offset):
    """The log's lines carry the server's own time."""
    lines = server.log_text().splitlines()
    return bool(lines) and offset is not None
