"""The power goes while records are written: on ext4 and on XFS, with what was not synced dropped, or torn and full of holes. What was
acknowledged is there afterwards; and a server whose disk is gone acknowledges nothing more and ends."""

import json

from campaign import EXIT_FATAL, FaultyServer, Load, begin, length, say, steady_server, wait_for_exit
from harness import temporary_directory, wait_for
from volume import DROP, TEAR, Volume, forget_clean_pages, may_mount, write_parts

GRACE_NS = 1_000_000_000  # an answer may be on its way while the power goes
CUTS_PER_VOLUME = 25
WAYS = ("dropped", "torn", "torn between write and sync")


def run_until_cut(volume, server, load, way, rng):
    """The third way holds the server in front of a sync, so that the last writes are in memory only, and puts parts of them on the disk."""
    if way == WAYS[2]:
        wait_for("a sync to be held", lambda: load.running() and (server.hit() or forget_clean_pages(server.data)), 60, 0.005)
    else:
        load.account.wait_for_more(rng.randrange(50, 500))
        forget_clean_pages(server.data)
    if way != WAYS[0]:
        write_parts(server.data, rng)
    at = volume.cut(DROP if way == WAYS[0] else TEAR)
    if way == WAYS[2]:
        server.release()
    return at


def power_cut(volume, server, load, way, rng):
    at = run_until_cut(volume, server, load, way, rng)
    code, _ = wait_for_exit(server, 5)
    assert code == EXIT_FATAL, f"the server ended with {code} when its disk was gone:\n{server.log_text()[-2000:]}"
    late = load.account.last_ns() - at
    assert late <= GRACE_NS, f"a record was acknowledged {late / 1e6:.0f} ms after the disk was gone"
    volume.unmount()
    volume.mount()


def prepare(server, way, rng):
    """For the next life."""
    if way == WAYS[2]:
        server.fault("fdatasync,fsync", rng.randrange(20, 300), "hold")
    else:
        server.no_fault()
    server.start()


def one_volume(kind, ways, rng):
    volume, logs = Volume(kind), temporary_directory()
    server = steady_server(kind=FaultyServer, data=volume.place / "data", start=False, log=logs / "log")
    prepare(server, ways[0], rng)
    load = Load(server, rate=1500, usual=20000)  # groups of several blocks, so that one can be torn
    for way, following in zip(ways, [*ways[1:], "none"]):
        power_cut(volume, server, load, way, rng)
        prepare(server, following, rng)
        load.check(server)
    sent, found = load.stop(), load.check(server)
    assert found["records"] == sent["sent"], (found, sent)
    server.kill()
    volume.unmount()
    return found["acked"], sum(tail_was_dropped(line) for line in server.log_text().splitlines())


def tail_was_dropped(line):
    return '"log.recovered"' in line and json.loads(line)["log.tail_dropped"] not in (0, "0", False, "false")


def test_a_power_cut_takes_nothing_that_was_acknowledged():
    cuts = length(24, 600)
    rng = begin(f"{cuts} power cuts: ext4 and XFS, {', '.join(WAYS)}")
    if not may_mount():
        return
    for kind in ("ext4", "xfs"):
        ways = [WAYS[n % 3] for n in range(cuts // 2)]
        acked = dropped = 0
        for start in range(0, len(ways), CUTS_PER_VOLUME):
            more = one_volume(kind, ways[start:start + CUTS_PER_VOLUME], rng)
            acked, dropped = acked + more[0], dropped + more[1]
        say(f"{kind}: {len(ways)} cuts, {acked} records acknowledged, all found, none twice; {dropped} tails were dropped")
