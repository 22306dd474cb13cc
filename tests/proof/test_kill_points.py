"""The server is killed in front of its N-th system call that changes the disk, for every N of a story that makes and deletes topics, rolls
one journal file after the other, lets a query write snapshots and stops; and of a second life over what the first one left. Whatever
the disk looks like then, the next start reads it."""

import http.client
import json
import shutil
import subprocess
import time
import urllib.error
from collections import Counter

from campaign import Account, FaultyServer, LONG, SEED, SMALL_FILES, begin, check, in_parallel, length, memory_directory, say, verifier
from harness import wait_for

CALLS = "pwritev,pwrite64,fdatasync,fsync,rename,unlink,ftruncate,fallocate,openat,mkdir"
ROUNDS = 4  # of each chapter: some ninety steps
SECONDS = 75
STATEMENTS = """
CREATE STREAM clicks (page VARCHAR, n BIGINT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE pages AS SELECT page, SUM(n) AS n FROM clicks GROUP BY page EMIT CHANGES;
"""
SETTINGS = SMALL_FILES | {"flow.snapshot_interval_ms": "100", "runtime.shards": "1", "kafka.default_partitions": "1",
            "registry.listen": "off", "connect.listen": "off", "postgres.listen": "off", "http.listen": "off"}


class Ended(Exception):
    """The server ended before the story did."""


class Telling:
    """The story told to one server, as far as it lives. `earlier`: the telling whose directory it goes on with."""

    def __init__(self, kill_at=0, earlier=None):
        self.place = memory_directory()
        self.account, self.story_path = Account(self.place / "acks"), self.place / "story"
        self.first_round = earlier.first_round + 2 * ROUNDS if earlier else 0
        if earlier:
            shutil.copytree(earlier.place, self.place, dirs_exist_ok=True)
        self.account.path.touch()
        self.story_path.touch()
        self.server = FaultyServer(SETTINGS, self.place / "data", start=False).fault(CALLS, kill_at)
        self.query_made = bool(earlier)

    def tell(self, stop=True):
        """True when the server lived to the end of it."""
        try:
            self.server.start(wait=False)
            self._await(self.server.ready)
            self._make_query()
            self._chapter(self.first_round)
            for kind in ("snapshot", "segment"):
                self._await(lambda: any(self.server.data.rglob(f"*.{kind}")), f"a {kind}, or the server's end")
            self._chapter(self.first_round + ROUNDS)
        except Ended:
            return False
        return not stop or self._stop()

    def _stop(self):
        self.server.process.terminate()
        code = self.server.process.wait(20)
        assert code == 0 or self.server.hit(), f"stopped with {code}:\n{self.server.log_text()[-2000:]}"
        return code == 0

    def _await(self, condition, what="the story to go on, or the server to end"):
        wait_for(what, lambda: condition() or self.server.process.poll() is not None, 60, 0.002)
        if self.server.process.poll() is not None:
            raise Ended

    def _make_query(self):
        if self.query_made:
            return
        try:
            self.server.ksql(STATEMENTS, {"auto.offset.reset": "earliest"})
            self.query_made = True
        except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
            self._await(lambda: False, f"the query was not made: {error}; the server to end")

    def _chapter(self, first):
        script = subprocess.Popen([verifier(), "script", "--brokers", self.server.addresses["kafka"], "--acks", self.account.path, "--story", self.story_path,
                                   "--first", str(first), "--rounds", str(ROUNDS), "--seed", str(SEED)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self._await(lambda: script.poll() is not None)
        finally:
            script.kill()
            said = script.communicate()[1]
        if script.returncode != 0:
            self._await(lambda: False, f"the story ended: {said}; the server to end")

    def topics(self):
        """What must be there, and what must not. What was being made or deleted may be either."""
        told = Counter(self.story_path.read_text().splitlines())
        made = {int(line.split()[1]) for line in told if line.startswith("created")}
        leaving = {int(line.split()[1]) for line in told if line.startswith("deleting")}
        gone = {int(line.split()[1]) for line in told if line.startswith("deleted")}
        return made - leaving, gone

    def clicks(self):
        return sum(line.startswith("click ") for line in self.story_path.read_text().splitlines())

    def check(self):
        """The next life."""
        server = self.server.no_fault()
        server.start()
        there, gone = self.topics()
        listed = {topic["topic"] for topic in json.loads(server.kcat("-L", "-J"))["topics"]}
        missing = [n for n in there if f"proof-{n}" not in listed]
        assert not missing, f"topics that were made are not there: {missing}"
        back = [n for n in gone if f"proof-{n}" in listed]
        assert not back, f"topics that were deleted are there again: {back}"
        if there:
            check(server, self.account, "--only", ",".join(map(str, sorted(there))), "--partitions", "2", "--seed", str(SEED))
        self.check_query(server, "clicks" in listed)
        server.kcat("-P", "-t", "afterwards", input=b"still writing\n")

    def check_query(self, server, clicked):
        if not self.query_made:
            return
        end = int(server.kcat("-Q", "-t", "clicks:0:-1").split()[-1]) if clicked else 0
        assert end >= self.clicks(), f"{self.clicks()} rows were acknowledged, {end} are there"
        wait_for("the query to count every row", lambda: sum(n for n, in server.query("SELECT n FROM pages;")) == end, 20, 0.005)


def killed_at(job):
    """Gives what the call was: its name, and the kind of file."""
    n, earlier, _ = job
    telling, hit = Telling(n, earlier), None
    try:
        lived = telling.tell()
        hit = telling.server.hit()
        telling.server.kill()
        telling.check()
        telling.server.kill()
    except Exception as error:
        raise AssertionError(f"killed in front of call {n} of life {2 if earlier else 1} ({hit and hit[3:5]}), data in {telling.place}:\n{error}") from error
    shutil.rmtree(telling.place)
    return None if lived else (hit[3], kind_of(hit[4]))


def kind_of(path):
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1] if "." in name else name


def points_of(earlier=None):
    """(N, life before, what the call is) of a telling that nobody disturbs, which must pass its own check as well."""
    telling = Telling(0, earlier)
    assert telling.tell()
    points = [(call[0], earlier, f"{call[3]} {kind_of(call[4])}") for call in telling.server.calls()]
    telling.check()
    telling.server.kill()
    return points


def left_by_a_kill():
    telling = Telling()
    assert telling.tell(stop=False)
    telling.server.kill()
    return telling


def rare_ones_first(points, rng):
    """In random order, but one of each kind, then a second one of each, and so on: most calls are writes and syncs of groups."""
    rng.shuffle(points)
    seen = Counter()
    turns = [(seen.update([kind]) or seen[kind], n) for n, (_, _, kind) in enumerate(points)]
    return [points[n] for _, n in sorted(turns)]


def test_a_kill_at_any_call_that_changes_the_disk_loses_nothing():
    rng = begin("killed in front of the N-th call")
    first = left_by_a_kill()
    points = points_of(), points_of(first)
    start = time.monotonic()
    done = in_parallel(killed_at, rare_ones_first(points[0] + points[1], rng)[:length(300, None)], None if LONG else SECONDS)
    hits = Counter(f"{name} {kind}" for name, kind in filter(None, done))
    say(f"{len(points[0])} and {len(points[1])} calls in the undisturbed lives; killed at {sum(hits.values())} of {len(done)} tried, {time.monotonic() - start:.0f} s: {dict(hits.most_common())}")
    assert sum(hits.values()) >= len(done) * 0.8, "hardly a kill came; the story became shorter than its count"
