"""The disk fails one write or one sync, or is full from one moment to another: nothing is acknowledged on a guess, nothing is lost."""

import os
import time
from collections import Counter

from campaign import EXIT_FATAL, FaultyServer, Load, begin, length, say, steady_server, wait_for_exit
from harness import wait_for
from test_kill_points import kind_of

WRITES_AND_SYNCS = "pwritev,pwrite64,fdatasync,fsync"
NEW_ROOM = "openat,mkdir,rename,fallocate,pwritev,pwrite64"
EXIT_SECONDS, ANSWER_UNDER_WAY_MS = 1, 200
RESUME_SECONDS = 10


def failing_call(server, load, n):
    """Starts it so that its N-th write or sync fails, and sees what becomes of it. Gives which call that was."""
    server.fault(WRITES_AND_SYNCS, n, "EIO")
    server.start(wait=False)
    wait_for("a call to fail", lambda: load.running() and server.hit(), 60, 0.005)
    hit = server.hit()
    what = f"{hit[3]} number {n}, of {hit[4]}"
    if holds_records(hit[4]) and server.ready():
        ends_at_once(server, load, hit, what)
    else:
        ends_or_goes_on(server, load, what)
    return hit[3], kind_of(hit[4])


def holds_records(path):
    """Not a file that is being made, nor a folder: those can be made again."""
    return not path.endswith(".tmp") and not os.path.isdir(path)


def ends_at_once(server, load, hit, what):
    code, ended_ns = wait_for_exit(server, 20, f"the server to end after a failed {what}")
    assert code == EXIT_FATAL, f"the server ended with {code} after a failed {what}:\n{server.log_text()[-2000:]}"
    late = (ended_ns - hit[1]) / 1e9
    assert late < EXIT_SECONDS, f"it took {late:.1f} s to end after a failed {what}"
    acked_ms = (load.account.last_ns() - hit[1]) / 1e6
    assert acked_ms < ANSWER_UNDER_WAY_MS, f"a record was acknowledged {acked_ms:.0f} ms after a failed {what}"


def ends_or_goes_on(server, load, what):
    """While it starts it may refuse to, saying so; later it may make the file again."""
    count = load.account.count()
    wait_for(f"the server to end or to go on after a failed {what}", lambda: server.process.poll() is not None or load.account.count() > count + 500, 20)
    code = server.process.poll()
    assert code in (None, 1, EXIT_FATAL), f"the server ended with {code} after a failed {what}:\n{server.log_text()[-2000:]}"
    assert code is None or "Input/output error" in server.log_text(), f"nothing was said of a failed {what}:\n{server.log_text()[-2000:]}"


def test_a_failed_write_or_sync_ends_the_process_and_loses_nothing():
    rng = begin("EIO from the N-th write or sync")
    server = steady_server(kind=FaultyServer)
    load = Load(server, rate=1000)
    hits = Counter()
    for n in points(length(24, 400), rng):
        server.kill()
        server.log_path.unlink()
        hits[failing_call(server, load, n)] += 1
        server.kill()
        server.no_fault().start()
        load.account.wait_for_more(1)
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"{sum(hits.values())} failures {dict(hits)}; {found['acked']} records acknowledged, all found, none twice")


def points(count, rng):
    """A third of them in the start."""
    early = count // 3
    return rng.sample(range(1, max(30, early + 1)), early) + [rng.randrange(30, 400) for _ in range(count - early)]


def fill_up(server, load, n):
    """Starts it so that the disk is full from the N-th call on that needs new room; gives which call that was. The disk stays full until
    the load has come to a halt, or has not for a while: what was made ahead may carry it."""
    server.fault(NEW_ROOM, n, "ENOSPC", grow=True)
    server.start(wait=False)
    wait_for("the disk to be full", lambda: load.running() and server.hit(), 60, 0.005)
    quiet_for(load.account, 0.3, 2)
    server.release()
    hit = server.hit()
    return hit[3], kind_of(hit[4])


def quiet_for(account, seconds, at_most):
    """Until nothing was acknowledged for so long."""
    start = changed = time.monotonic()
    count = account.count()
    while time.monotonic() - changed < seconds and time.monotonic() - start < at_most:
        time.sleep(0.02)
        if account.count() != count:
            count, changed = account.count(), time.monotonic()


def start_again_if_it_refused(server):
    """A start that finds no room for what it needs may end, saying so."""
    if server.process.poll() is not None:
        assert "free some space" in server.log_text()[-3000:], f"ended with {server.process.returncode}:\n{server.log_text()[-3000:]}"
        server.no_fault().start()
        return 1
    return 0


def test_a_disk_that_is_full_at_any_moment_only_makes_writers_wait():
    tries = length(12, 200)
    rng = begin(f"{tries} x ENOSPC")
    server = steady_server(kind=FaultyServer)
    load = Load(server, rate=1000)
    hits, refused, slowest = Counter(), 0, 0
    for n in [1, 2, 3] + [rng.randrange(4, 60) for _ in range(tries - 3)]:
        server.kill()
        hits[fill_up(server, load, n)] += 1
        refused += start_again_if_it_refused(server)
        room = time.monotonic()
        load.account.wait_for_more(500, RESUME_SECONDS)
        slowest = max(slowest, time.monotonic() - room)
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"{sum(hits.values())} times full {dict(hits)}; {refused} starts refused, writing went on within {slowest:.1f} s; {found['acked']} records acknowledged, all found, none twice")
