"""What a newcomer does: the demo shows its addresses and four commands with their answers, counts, stops, and goes on where it was."""

import pathlib
import re
import shlex
import signal
import subprocess
import time

from harness import BINARY, LISTENERS, temporary_directory, wait_for

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


class Demo:
    def __init__(self, place):
        sets = [part for name in LISTENERS for part in ("--set", f"{name}.listen=127.0.0.1:0")]
        self.path = place.parent / f"{place.name}.txt"
        self.began = time.monotonic()
        with open(self.path, "w") as out:
            self.process = subprocess.Popen([str(BINARY), "demo", "--dir", str(place), *sets], stdout=out, stderr=subprocess.STDOUT)

    def text(self):
        return self.path.read_text()

    def wait(self, pattern, seconds=60):
        return wait_for(f"the demo to print {pattern}", lambda: self.process.poll() is None and re.search(pattern, self.text(), re.M), seconds)

    def commands(self):
        return re.findall(r"^  ((?:kcat|curl|psql) .*)$", self.text(), re.M)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0, self.text()[-2000:]

    def kill(self):
        if self.process.poll() is None:
            self.stop()


LIVE = r"captured (\d+)/s  appended (\d+)/s  processed (\d+)/s  commit to answer ([\d.]+) ms"


def ran(command):
    return subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=20, check=True).stdout


def follow_the_readme(demo):
    """The tour's own commands, with this demo's address."""
    ksql = re.search(r"^  ksql +http://(\S+)", demo.text(), re.M)[1]
    tour = README.read_text().split("Make an answer of your own")[1].split("Kill it")[0]
    stream, table, pull, push = (c.replace("127.0.0.1:8088", ksql) for c in re.findall(r"^    (curl .*)$", tour, re.M))
    assert '"SUCCESS"' in ran(stream) and '"SUCCESS"' in ran(table)
    wait_for("two hundred people in five cities", lambda: sum(int(n) for n in re.findall(r'\["\w+",(\d+)\]', ran(pull))) == 200)
    assert "Limit Reached" in ran(push)


def counted(demo):
    rows = re.findall(r'\{"row":\{"columns":\["(\w+)",(\d+),', ran(demo.commands()[1]))
    return sum(int(n) for _, n in rows)


def test_the_demo_runs_its_own_examples_stops_and_goes_on():
    place = temporary_directory() / "demo"
    demo = Demo(place)
    try:
        live = demo.wait(LIVE)
        assert all(int(live[i]) > 0 for i in (1, 2, 3)), live[0]
        kcat, ksql, connect, psql = demo.commands()
        assert '"op":"' in ran(kcat) and '"state":"RUNNING"' in ran(connect) and "placed" in ran(psql)
        orders = counted(demo)
        assert orders > 0
        follow_the_readme(demo)
        demo.stop()
        demo = Demo(place)
        demo.wait("^Try in another terminal")
        assert counted(demo) >= orders
        demo.wait(LIVE)
    finally:
        demo.kill()
