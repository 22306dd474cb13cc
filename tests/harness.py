"""Starts real servers for the script tests: a Tidemill on free ports, a private PostgreSQL 15. Standard library only."""

import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("TIDEMILL", ROOT / "build" / "tidemill"))
PG_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
LISTENERS = ("kafka", "registry", "connect", "ksql", "postgres", "http")

_started, _directories = [], []


@atexit.register
def clean_up():
    """Stops what was started and removes what was written: after each test, for a hundred servers fill a disk."""
    for thing in reversed(_started):
        with contextlib.suppress(Exception):
            thing.kill()
    _started.clear()
    for path in _directories:
        if os.path.ismount(path):
            subprocess.run(["umount", "-l", str(path)])
        shutil.rmtree(path, ignore_errors=True)
    _directories.clear()


def wait_for(what, condition, seconds=30.0, step=0.02):
    """Waits until condition() gives something true and returns it; fails naming `what` otherwise."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
        except (OSError, urllib.error.URLError, subprocess.CalledProcessError, AssertionError) as error:
            last = error
        time.sleep(step)
    raise AssertionError(f"gave up after {seconds:.0f} s waiting for {what}" + (f" (last: {last})" if last else ""))


def temporary_directory(prefix="tidemill-test-"):
    path = tempfile.mkdtemp(prefix=prefix)
    os.chmod(path, 0o755)
    _directories.append(path)
    return pathlib.Path(path)


class Answer:
    def __init__(self, status, body):
        self.status, self.body = status, body

    @property
    def json(self):
        return json.loads(self.body)


def http(method, url, body=None, headers=None, timeout=30):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())


class Server:
    """A Tidemill. Settings by their names: Server({"log.journal_file_bytes": "1MiB"})."""

    def __init__(self, settings=None, data=None, start=True, prefix=(), log=None):
        self.data = pathlib.Path(data) if data else temporary_directory() / "data"
        self.log_path = pathlib.Path(log) if log else self.data.parent / f"{self.data.name}.log"
        self.settings = {f"{name}.listen": "127.0.0.1:0" for name in LISTENERS} | (settings or {})
        self.process = None
        self.addresses = {}
        self.prefix = list(prefix)
        _started.append(self)
        if start:
            self.start()

    def command(self):
        sets = [part for name, value in self.settings.items() for part in ("--set", f"{name}={value}")]
        return [*self.prefix, str(BINARY), "start", "--data", str(self.data), *sets]

    def start(self, wait=True, seconds=30):
        self.log = open(self.log_path, "ab")
        listening = self.data / "listening.json"
        with contextlib.suppress(FileNotFoundError):
            listening.unlink()
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log)
        if wait:
            wait_for("listening.json", lambda: self._alive() and listening.exists(), seconds)
            self.addresses = json.loads(listening.read_text())
        return self

    def _alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"tidemill ended with {self.process.returncode}:\n{self.log_text()[-3000:]}")
        return True

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def url(self, listener, path=""):
        return f"http://{self.addresses[listener]}{path}"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=15):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        assert code == 0, f"stopped with {code}:\n{self.log_text()[-3000:]}"

    # ksqlDB's REST
    def ksql(self, text, properties=None, ok=True):
        answer = http("POST", self.url("ksql", "/ksql"), {"ksql": text, "streamsProperties": properties or {}})
        if ok:
            assert answer.status == 200, f"{text}\n{answer.status}: {answer.body.decode()}"
        return answer

    def query(self, text, properties=None, timeout=30):
        """Rows of a pull query, or of a push query with LIMIT."""
        answer = http("POST", self.url("ksql", "/query"), {"ksql": text, "streamsProperties": properties or {}}, timeout=timeout)
        assert answer.status == 200, f"{text}\n{answer.status}: {answer.body.decode()}"
        return [part["row"]["columns"] for part in answer.json if "row" in part]

    def connector(self, name, config):
        answer = http("PUT", self.url("connect", f"/connectors/{name}/config"), config)
        assert answer.status in (200, 201), f"{answer.status}: {answer.body.decode()}"
        return answer

    def connector_status(self, name):
        return http("GET", self.url("connect", f"/connectors/{name}/status")).json

    # Kafka, by kcat
    def kcat(self, *arguments, input=None, ok=True, timeout=60):
        done = subprocess.run(["kcat", "-b", self.addresses["kafka"], *arguments], input=input, capture_output=True, timeout=timeout)
        if ok:
            assert done.returncode == 0, f"kcat {' '.join(arguments)}: {done.stderr.decode()}"
        return done.stdout

    def records(self, topic, form="%k\t%s\n"):
        """Everything in a topic, in offset order, as text lines in kcat's format."""
        return self.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", form).decode()


class Postgres:
    """A private PostgreSQL 15 with logical decoding, on a free port of the loopback."""

    def __init__(self, options=None, password=None):
        self.directory = temporary_directory("tidemill-pg-")
        self.port = free_port()
        self.process = None
        self.password = password
        self.options = {"wal_level": "logical", "max_wal_senders": 20, "max_replication_slots": 20, "fsync": "off", "listen_addresses": "127.0.0.1",
                        "unix_socket_directories": str(self.directory), "max_connections": 50} | (options or {})
        self.as_user = []
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
            self.as_user = ["runuser", "-u", "postgres", "--"]
        auth = []
        if password:
            secret = self.directory / "password"
            secret.write_text(password)
            if self.as_user:
                shutil.chown(secret, "postgres")
            auth = [f"--pwfile={secret}", "-A", "scram-sha-256"]
        subprocess.run([*self.as_user, PG_BIN / "initdb", "-D", self.directory / "data", "-U", "postgres", "--no-sync", *(auth or ["-A", "trust"])],
                       check=True, capture_output=True)
        _started.append(self)
        self.start()

    def start(self):
        settings = [part for name, value in self.options.items() for part in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen([*self.as_user, str(PG_BIN / "postgres"), "-D", str(self.directory / "data"), "-p", str(self.port), *settings],
                                        stdout=open(self.directory / "log", "ab"), stderr=subprocess.STDOUT, start_new_session=True)
        wait_for("PostgreSQL", lambda: self.sql("SELECT 1") == "1")
        return self

    def kill(self):
        if self.process and self.process.poll() is None:
            with contextlib.suppress(Exception):
                subprocess.run([*self.as_user, str(PG_BIN / "pg_ctl"), "-D", str(self.directory / "data"), "-m", "immediate", "stop"], capture_output=True, timeout=30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    stop = kill

    def psql_command(self, database="postgres"):
        return ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database, "-X", "-q", "-v", "ON_ERROR_STOP=1"]

    def environment(self):
        return os.environ | ({"PGPASSWORD": self.password} if self.password else {})

    def sql(self, text, database="postgres"):
        done = subprocess.run([*self.psql_command(database), "-At", "-F", "\t"], input=text.encode(), capture_output=True, env=self.environment())
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        return done.stdout.decode().rstrip("\n")

    def connector_config(self, **more):
        return {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": "127.0.0.1",
                "database.port": str(self.port), "database.user": "postgres", "database.password": self.password or "any",
                "database.dbname": "postgres", "topic.prefix": "shop", "plugin.name": "pgoutput"} | {k.replace("__", "."): v for k, v in more.items()}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def plain(pattern, text):
    found = re.search(pattern, text)
    assert found, f"{pattern!r} not in:\n{text[-2000:]}"
    return found
