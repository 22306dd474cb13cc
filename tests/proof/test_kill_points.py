"""The server is killed in front of its N-th system call that changes the disk, for every N of a story that makes and deletes topics, rolls
one journal file after the other and lets a query write snapshots. Whatever the disk looks like then, the next start reads it."""

import json
import shutil
import subprocess
import time
import urllib.error
from collections import Counter

from campaign import Account, FaultyServer, LONG, SEED, begin, check, in_parallel, length, memory_directory, say, verifier
from harness import wait_for

CALLS = "pwritev,pwrite64,fdatasync,fsync,rename,unlink,ftruncate,fallocate,openat,mkdir"
ROUNDS = 8
SECONDS = 75
STATEMENTS = """
CREATE STREAM clicks (page VARCHAR, n BIGINT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE pages AS SELECT page, SUM(n) AS n FROM clicks GROUP BY page EMIT CHANGES;
"""
SETTINGS = {"log.journal_file_bytes": "1MiB", "flow.snapshot_interval_ms": "100", "runtime.shards": "1", "kafka.default_partitions": "1",
            "registry.listen": "off", "connect.listen": "off", "postgres.listen": "off", "http.listen": "off"}


class Telling:
    """The story told to one server, as far as it lives."""

    def __init__(self, kill_at):
        self.place = memory_directory()
        self.account, self.story_path = Account(self.place / "acks"), self.place / "story"
        self.account.path.touch()
        self.story_path.touch()
        self.server = FaultyServer(SETTINGS, self.place / "data", start=False).fault(CALLS, kill_at)
        self.query_made = False

    def tell(self):
        """True when the server lived to the end of it."""
        self.server.start(wait=False)
        if not self._until(lambda: self.server.ready()):
            return False
        try:
            self.server.ksql(STATEMENTS, {"auto.offset.reset": "earliest"})
            self.query_made = True
        except (OSError, urllib.error.URLError, ConnectionError):
            return False
        script = subprocess.Popen([verifier(), "script", "--brokers", self.server.addresses["kafka"], "--acks", self.account.path, "--story", self.story_path,
                                   "--rounds", str(ROUNDS), "--seed", str(SEED)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lived = self._until(lambda: script.poll() is not None)
        if not lived:
            script.kill()
        said = script.communicate()[1]
        assert not lived or script.returncode == 0, said
        return lived

    def _until(self, condition):
        """False when the server ended first."""
        wait_for("the story to go on, or the server to end", lambda: condition() or self.server.process.poll() is not None, 60, 0.002)
        return self.server.process.poll() is None

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


def killed_at(n):
    """Gives what the call was: its name, and the kind of file."""
    telling = Telling(n)
    try:
        lived = telling.tell()
        hit = telling.server.hit()
        telling.server.kill()
        telling.check()
        telling.server.kill()
    except Exception as error:
        raise AssertionError(f"killed in front of call {n} ({hit and hit[3:5]}), data in {telling.place}:\n{error}") from error
    shutil.rmtree(telling.place)
    return None if lived else (hit[3], kind_of(hit[4]))


def kind_of(path):
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1] if "." in name else name


def count_calls():
    """Of a run that nobody disturbs, which must pass its own check as well."""
    telling = Telling(0)
    assert telling.tell()
    calls = len(telling.server.calls())
    telling.server.kill()
    telling.check()
    telling.server.kill()
    return calls


def test_a_kill_at_any_call_that_changes_the_disk_loses_nothing():
    rng = begin("killed in front of the N-th call")
    calls = count_calls()
    points = list(range(1, calls + 1))
    rng.shuffle(points)
    start = time.monotonic()
    points = points[:length(300, len(points))]
    done = in_parallel(killed_at, points, None if LONG else SECONDS)
    hits = Counter(f"{name} {kind}" for name, kind in filter(None, done))
    say(f"{calls} calls in the undisturbed run; killed at {sum(hits.values())} of {len(done)} tried, {time.monotonic() - start:.0f} s; {dict(hits.most_common())}")
    assert sum(hits.values()) >= min(len(done), 20) * 0.8, "hardly a kill came; the story became shorter than its count"
