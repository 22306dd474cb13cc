"""Where figures go: bench/RESULTS.md, each with command, commit and load. Nothing is recorded on a busy machine."""

import datetime
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "bench" / "RESULTS.md"
LOAD_MAX = 0.5

HEAD = """# Results

Written by `bench/run.py`, newest last. A figure is a ratio between two things measured in one run on one machine wherever there is a peer;
figures of different runs do not compare. Runs with `forced` were made on a busy machine: take their orders of magnitude only.
"""


def load_now():
    return os.getloadavg()[0]


def refuse_when_busy(force):
    load = load_now()
    if load > LOAD_MAX and not force:
        sys.exit(f"bench: the load average is {load:.2f}, above {LOAD_MAX}; figures from a busy machine mislead. Wait, or pass --force: the load is then recorded.")
    return load


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def commit():
    return git("rev-parse", "--short", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no", "--", "src", "spec", "cmake") else "")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
    return f"{os.cpu_count()} cores, {model}"


def record(title, load, rows, note=""):
    """`rows`: dictionaries with the same keys, one per line of the table."""
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    words = ["FOLDER" if before == "--kafka" else word for before, word in zip(sys.argv, sys.argv[1:])]
    command = "bench/run.py " + " ".join(words)
    text = f"\n## {title}, {when}\n\n`{command}`, commit {commit()}, load {load:.2f}{' (forced)' if load > LOAD_MAX else ''}, {machine()}\n\n"
    names = list(rows[0])
    text += "| " + " | ".join(names) + " |\n|" + "---|" * len(names) + "\n"
    text += "".join("| " + " | ".join(shown(row[n]) for n in names) + " |\n" for row in rows)
    if note:
        text += f"\n{note}\n"
    print(text, flush=True)
    if not FILE.exists():
        FILE.write_text(HEAD)
    with open(FILE, "a") as file:
        file.write(text)


def shown(value):
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
