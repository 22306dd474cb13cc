"""The disk fails one write or one sync, or is full from one moment to another: nothing is acknowledged on a guess, nothing is lost."""

import time
from collections import Counter

from campaign import EXIT_FATAL, FaultyServer, Load, begin, length, say, steady_server, wait_for_exit
from harness import wait_for
from test_kill_points import kind_of

WRITES_AND_SYNCS = "pwritev,pwrite64,fdatasync,fsync"
NEW_ROOM = "openat,mkdir,rename,fallocate,ftruncate,pwritev,pwrite64"
EXIT_SECONDS, ANSWER_UNDER_WAY_NS = 1, 200_000_000
RESUME_SECONDS = 10


def failing_call(server, load, n):
    """Starts it so that its N-th write or sync fails, and waits until it has ended. Gives which call that was, or nothing when the server was still starting."""
    server.fault(WRITES_AND_SYNCS, n, "EIO")
    server.start(wait=False)
    wait_for("a call to fail", lambda: load.running() and server.hit(), 60, 0.005)
    code, ended_ns = wait_for_exit(server, 20)
    hit = server.hit()
    late = (ended_ns - hit[1]) / 1e9
    what = f"{hit[3]} number {n}, of {hit[4]}"
    assert code == EXIT_FATAL, f"the server ended with {code} after a failed {what}:\n{server.log_text()[-2000:]}"
    assert late < EXIT_SECONDS + 0.5, f"it took {late:.1f} s to end after a failed {what}"
    acked = (load.account.last_ns() - hit[1]) / 1e6
    assert acked < ANSWER_UNDER_WAY_NS / 1e6, f"a record was acknowledged {acked:.0f} ms after a failed {what}"
    return hit[3], kind_of(hit[4])


def test_a_failed_write_or_sync_ends_the_process_and_loses_nothing():
    tries = length(24, 400)
    rng = begin(f"{tries} x EIO")
    server = steady_server({"log.journal_file_bytes": "1MiB"}, kind=FaultyServer)
    load = Load(server, rate=1000)
    server.kill()
    hits = Counter()
    points = rng.sample(range(1, 400), tries) if tries < 400 else list(range(1, 401))
    for n in points:
        hits[failing_call(server, load, n)] += 1
        server.no_fault().start()
        load.account.wait_for_more(1)
        server.kill()
    server.start()
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    say(f"{sum(hits.values())} failures {dict(hits)}; {found['acked']} records acknowledged, all found, none twice")


def fill_up(server, load, n):
    """Starts it so that the disk is full from the N-th call on that needs new room; gives which call that was. The disk stays full until
    the load has come to a halt, or has not for a while: what was made ahead may carry it."""
    server.fault(NEW_ROOM, n, "ENOSPC", grow=True)
    server.start(wait=False)
    wait_for("the disk to be full", lambda: load.running() and server.hit(), 60, 0.005)
    quiet_for(load.account, 0.3, 3)
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
    tries = length(16, 200)
    rng = begin(f"{tries} x ENOSPC")
    server = steady_server({"log.journal_file_bytes": "1MiB"}, kind=FaultyServer)
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
