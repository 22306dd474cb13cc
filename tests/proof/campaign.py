"""What the campaigns share: their length and seed, the programs they are made with, and the account of what was acknowledged.

A campaign has a short form, part of ./test, and a long one (TIDEMILL_LONG=1, set by `python3 tests/run.py long`). Each prints its seed;
TIDEMILL_SEED repeats it."""

import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
import time

import harness
from harness import ROOT, Server, free_port, temporary_directory, wait_for

LONG = os.environ.get("TIDEMILL_LONG") == "1"
SEED = int(os.environ.get("TIDEMILL_SEED", random.SystemRandom().randrange(10**9)))
HERE = pathlib.Path(__file__).resolve().parent
EXIT_FATAL = 70  # docs/operations.md: going on would have been unsafe
ACK = struct.Struct("<IIqQqq")  # verifier/acks.h


def length(short, long):
    """How much of it: by the form of the run, or as TIDEMILL_COUNT says. None: all there is."""
    count = os.environ.get("TIDEMILL_COUNT", long if LONG else short)
    return count and int(count)


def begin(what):
    """Prints the seed and gives its random numbers. The same seed makes the same choices in every campaign."""
    print(f"     seed {SEED}: {what}", flush=True)
    return random.Random(SEED)


def say(text):
    print(f"     {text}", flush=True)


def built(name, sources, *options, compiler=("clang++-19", "-std=c++23")):
    """Compiles a program of the tests into the build folder, once for each content."""
    texts = b"".join(path.read_bytes() for path in sorted(sources[0].parent.glob("*.h")) + sources)
    program = ROOT / "build" / "tests" / f"{name}-{hashlib.sha256(texts).hexdigest()[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")
        subprocess.run([*compiler, "-O1", "-Wall", "-Wextra", "-Werror", *sources, "-o", made, *options], check=True)
        made.rename(program)
    return program


def verifier():
    return built("verifier", sorted((HERE / "verifier").glob("*.cc")), "-lrdkafka", "-lz")


def syscall_fault():
    return built("syscall_fault", [HERE / "syscall_fault.cc"])


def clock_step():
    return built("clock_step", [HERE / "clock_step.c"], "-shared", "-fPIC", compiler=("clang-19",))


class Account:
    """The file of acknowledgements. What is in it was counted by a client."""

    def __init__(self, path):
        self.path = path

    def count(self):
        with contextlib.suppress(FileNotFoundError):
            return self.path.stat().st_size // ACK.size
        return 0

    def last_ns(self):
        """When the newest acknowledgement was heard, by the monotonic clock."""
        return self.after(-1)[-1][4]

    def after(self, number):
        """Entries from this number on: topic, partition, offset, sequence, ns, latency in us. A negative one counts from the end."""
        data = self.path.read_bytes()
        data = data[:len(data) - len(data) % ACK.size]
        return list(ACK.iter_unpack(data[ACK.size * number:]))

    def latencies_ms(self, from_ns, to_ns):
        return sorted(ack[5] / 1000 for ack in self.after(0) if from_ns <= ack[4] < to_ns)

    def wait_for_more(self, records, seconds=30):
        """Waits until that many more were acknowledged."""
        wanted = self.count() + records
        wait_for(f"{records} more acknowledgements", lambda: self.count() >= wanted, seconds, 0.01)


class Load:
    """The verifier's idempotent producer, running until it is stopped. It survives restarts of the server, which keeps its port."""

    def __init__(self, server, topics=2, partitions=4, rate=2000, seed=SEED, **more):
        self.place = temporary_directory()
        self.account = Account(self.place / "acks")
        self.shape = ["--topics", str(topics), "--partitions", str(partitions), "--seed", str(seed)]
        self.said = open(self.place / "said", "w+")
        words = [part for name, value in more.items() for part in (f"--{name}", str(value))]
        self.process = subprocess.Popen([verifier(), "load", "--brokers", server.addresses["kafka"], "--acks", self.account.path, *self.shape, "--rate", str(rate), *words],
                                        stdout=self.said, stderr=subprocess.STDOUT)
        harness._started.append(self)
        wait_for("the first acknowledgement", lambda: self.running() and self.account.count() > 0)

    def running(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the load ended with {self.process.returncode}: {self.text()}")
        return True

    def text(self):
        self.said.flush()
        return (self.place / "said").read_text()

    def _end(self, how, seconds):
        self.running()
        self.process.send_signal(how)
        code = self.process.wait(seconds)
        assert code == 0, f"the load ended with {code}: {self.text()}"
        return json.loads(self.text().splitlines()[-1])

    def stop(self, seconds=90):
        """Lets it hear the answers to all it has sent; gives its own summary."""
        return self._end(signal.SIGTERM, seconds)

    def abandon(self):
        """Ends it without waiting for answers: a client that goes away."""
        return self._end(signal.SIGINT, 20)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check(self, server):
        return check(server, self.account, *self.shape)


def check(server, account, *words, seconds=300):
    """Holds what the server serves against the account; gives the verifier's summary, fails with what it says."""
    done = subprocess.run([verifier(), "check", "--brokers", server.addresses["kafka"], "--acks", account.path, *words], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"the verifier ended with {done.returncode}:\n{done.stdout}{done.stderr[-3000:]}"
    return json.loads(done.stdout)


# So small that records grow old while a campaign runs: files are sealed, sorted, merged and used again all the time.
SMALL_FILES = {"log.journal_file_bytes": "1MiB", "log.sort_bytes": "2MiB", "log.sort_after": "100ms", "log.segment_bytes_max": "2MiB"}
ONLY_KAFKA = {f"{name}.listen": "off" for name in ("registry", "connect", "ksql", "postgres")}


def steady_server(settings=None, partitions=4, kind=Server, **more):
    """A server that keeps its port over all its lives, so that clients find it again, and whose files are small."""
    address = f"127.0.0.1:{free_port()}"
    return kind({"kafka.listen": address, "kafka.default_partitions": partitions} | SMALL_FILES | ONLY_KAFKA | (settings or {}), **more)


class FaultyServer(Server):
    """A server to whose N-th system call of some kind something happens: see syscall_fault.cc. fault() before start() says what, for one life."""

    def fault(self, calls, at=0, do="kill", grow=False, kind="", times=1):
        self.place = self.__dict__.get("place") or temporary_directory()
        self.trace_path, self.until = self.place / "trace", self.place / "until"
        for path in (self.trace_path, self.until):
            path.unlink(missing_ok=True)
        self.prefix = [str(syscall_fault()), "--log", str(self.trace_path), "--under", str(self.data), "--calls", calls, "--at", str(at), "--do", do,
                       "--until", str(self.until), "--times", str(times), *(["--grow"] if grow else []), *(["--kind", kind] if kind else []), "--"]
        return self

    def ready(self):
        """Whether every listener answers; `addresses` are known from then on."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            self.addresses = json.loads((self.data / "listening.json").read_text())
            return True
        return False

    def no_fault(self):
        self.prefix = []
        return self

    def calls(self):
        """What was counted: number, ns, thread, name, path, what was done to it."""
        with contextlib.suppress(FileNotFoundError):
            lines = (line.split(" ", 4) for line in self.trace_path.read_text().split("\n")[:-1])
            return [(int(n), int(ns), int(thread), name, *rest.rsplit(" ", 1)) for n, ns, thread, name, rest in lines]
        return []

    def hit(self, number=0):
        """The first call that something was done to, or the one after that..., or nothing."""
        return next(itertools.islice((call for call in self.calls() if call[5] != "-"), number, None), None)

    def release(self):
        self.until.touch()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1 if self.prefix else signal.SIGKILL)
            self.process.wait()


def wait_for_exit(server, seconds, what="the server to end by itself"):
    """Gives the exit code, and by the monotonic clock when it was seen."""
    try:
        wait_for(what, lambda: server.process.poll() is not None, seconds, 0.002)
    except AssertionError as error:
        raise AssertionError(f"{error}; the server has said:\n{server.log_text()[-1500:]}") from None
    return server.process.returncode, time.monotonic_ns()


def memory_directory():
    """For what a kill of the process is about and no power cut: the page cache survives it, so there need be no disk below."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    harness._directories.append(place)
    return place


def in_parallel(work, jobs, seconds=None):
    """Does the jobs, as many at once as there are cores, until all are done or the time is over. Gives the results; the first failure ends it."""
    deadline = time.monotonic() + (seconds or 10**9)
    results, waiting = [], iter(jobs)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(work, job) for job in itertools.islice(waiting, os.cpu_count())}
        while running:
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            results += [task.result() for task in done]
            if time.monotonic() < deadline:
                running |= {pool.submit(work, job) for job in itertools.islice(waiting, len(done))}
    return results
