"""What a process uses, and limits for it."""

import contextlib
import os
import pathlib
import time

import harness

GROUPS = pathlib.Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cores_used(pid, seconds):
    """How many cores' worth of time the process takes while that much time passes."""
    before, start = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - start)


def memory_mb(pid, field="VmRSS"):
    """VmRSS: now. VmHWM: the most it ever was."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


class MemoryLimit:
    """A control group, of version 1 or 2, that a program can be started in: prefix its command with `prefix`."""

    def __init__(self, megabytes):
        self.v2 = not (GROUPS / "memory").is_dir()
        self.group = (GROUPS if self.v2 else GROUPS / "memory") / f"tidemill-test-{os.getpid()}"
        try:
            if self.v2:
                (GROUPS / "cgroup.subtree_control").write_text("+memory")
            self.group.mkdir(exist_ok=True)
            (self.group / ("memory.max" if self.v2 else "memory.limit_in_bytes")).write_text(str(megabytes << 20))
        except OSError as error:
            raise AssertionError(f"a control group for memory cannot be made here ({error}); this test needs root and the memory controller") from error
        harness._started.append(self)  # goes behind the processes in it
        self.prefix = ["sh", "-c", f'echo $$ > {self.group}/cgroup.procs && exec "$@"', "sh"]

    def kills(self):
        text = (self.group / ("memory.events" if self.v2 else "memory.oom_control")).read_text()
        return int(dict(line.split() for line in text.splitlines())["oom_kill"])

    def kill(self):
        with contextlib.suppress(OSError):
            self.group.rmdir()

