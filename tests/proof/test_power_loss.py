"""The power goes while records are written: on ext4 and on XFS, with what was not synced dropped, or torn and full of holes. What was
acknowledged is there afterwards; and a server whose disk is gone acknowledges nothing more and ends."""

import json
import time

from campaign import EXIT_FATAL, FaultyServer, Load, begin, length, say, steady_server, wait_for_exit
from harness import temporary_directory, wait_for
from volume import DROP, TEAR, Volume, forget_clean_pages, may_mount, write_parts

GRACE_NS = 1_000_000_000  # an answer may be on its way while the power goes
CUTS_PER_VOLUME = 12  # each cut reads all that is there
ACCUMULATE_S = 0.1
EXIT_SECONDS = 10  # a file that cannot be made is tried a second time
WAYS = ("dropped", "torn", "torn between write and sync")


def held_with_much_to_sync(server, load):
    """The server stands in front of a sync; what comes meanwhile makes the next write a large one, and it stands in front of that one's
    sync when this returns."""
    wait_for("a sync to be held", lambda: load.running() and (server.hit(0) or forget_clean_pages(server.data)), 60, 0.005)
    time.sleep(ACCUMULATE_S)
    server.release()
    wait_for("the next sync to be held", lambda: load.running() and server.hit(1), 60, 0.005)


def run_until_cut(volume, server, load, way, rng):
    """The third way: the last write is in memory only, and parts of it are put on the disk."""
    if way == WAYS[2]:
        held_with_much_to_sync(server, load)
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
    code, _ = wait_for_exit(server, EXIT_SECONDS, f"the server to end by itself when its disk was gone ({way})")
    assert code == EXIT_FATAL, f"the server ended with {code} when its disk was gone:\n{server.log_text()[-2000:]}"
    late = load.account.last_ns() - at
    assert late <= GRACE_NS, f"a record was acknowledged {late / 1e6:.0f} ms after the disk was gone"
    volume.unmount()
    volume.mount()


def prepare(server, way, rng):
    """For the next life."""
    if way == WAYS[2]:
        server.fault("fdatasync,fsync", rng.randrange(10, 60), "hold", kind=".journal", times=2)
    else:
        server.no_fault()
    server.start()


def one_volume(kind, ways, rng):
    volume, logs = Volume(kind), temporary_directory()
    server = steady_server(kind=FaultyServer, data=volume.place / "data", start=False, log=logs / "log")
    prepare(server, ways[0], rng)
    load = Load(server, rate=500, usual=20000, linger=80)  # groups of many blocks, so that one can be torn
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
        volumes = [one_volume(kind, ways[start:start + CUTS_PER_VOLUME], rng) for start in range(0, len(ways), CUTS_PER_VOLUME)]
        acked, dropped = map(sum, zip(*volumes))
        say(f"{kind}: {len(ways)} cuts, {acked} records acknowledged, all found, none twice; {dropped} torn tails were dropped")
