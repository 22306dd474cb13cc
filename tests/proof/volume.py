"""A file system of its own on a loop device, whose power can be cut: the shutdown ioctl of ext4 and XFS makes the kernel forget what was
not written, and every later call on it fails. Mounted again, it is what a disk has after a power cut."""

import contextlib
import ctypes
import fcntl
import os
import random
import struct
import subprocess
import time

from harness import temporary_directory, wait_for

SHUTDOWN = 0x8004587D  # _IOR('X', 125, u32)
DROP, TEAR = 2, 1  # what the file system has in its own journal is lost as well; or is flushed first
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
WRITE_AND_WAIT = 1 | 2 | 4  # SYNC_FILE_RANGE_*
PAGE = 4096


class NotPermitted(AssertionError):
    pass


def may_mount():
    """False when the environment says that mounts are not to be tried; fails, saying so, where they are not permitted."""
    if os.environ.get("TIDEMILL_NO_MOUNT") == "1":
        print("     NOT RUN: TIDEMILL_NO_MOUNT=1 is set; nothing was tested", flush=True)
        return False
    return True


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotPermitted(f"could not run `{' '.join(map(str, command))}`: {done.stderr.strip()}\n"
                           "This campaign needs root, loop devices, mount, mkfs.ext4 and mkfs.xfs. Where they cannot be had, TIDEMILL_NO_MOUNT=1 leaves it out.")


class Volume:
    def __init__(self, kind, size_mb=2048):
        self.kind = kind
        self.place = temporary_directory()  # registered first, so that it is unmounted first
        self.image = temporary_directory() / "image"
        self.options = "loop"
        with open(self.image, "wb") as image:
            image.truncate(size_mb << 20)
        run(*MAKE[kind], self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", self.options, self.image, self.place)

    def unmount(self):
        """The processes that used it are gone; what the kernel still holds for them goes in a moment."""
        wait_for("the volume to be free", lambda: subprocess.run(["umount", self.place], capture_output=True, check=True), 10)
        try:
            wait_for("the loop device to be free", lambda: not self.loop_devices(), 3)
        except AssertionError:
            self.copy()

    def loop_devices(self):
        return subprocess.run(["losetup", "-j", self.image], capture_output=True, check=True, text=True).stdout

    def copy(self):
        """A process that made a mount namespace of its own meanwhile has the volume mounted as well, and would keep it as dead as it is: a
        copy of the disk is another one."""
        copy = self.image.with_name(self.image.name + "+")
        run("cp", "--sparse=always", self.image, copy)
        self.image = copy
        self.options = "loop,nouuid" if self.kind == "xfs" else "loop"

    def cut(self, how):
        """Gives the time, by the monotonic clock, at which the power was gone."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(fd)
        return time.monotonic_ns()


def write_parts(folder, rng: random.Random):
    """Brings parts of the files that were written to last onto the disk, and leaves others in memory: what a disk may do by itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    for path in written_last(folder):
        with contextlib.suppress(FileNotFoundError):  # the server goes on meanwhile
            fd = os.open(path, os.O_RDWR)
            at, size = 0, os.fstat(fd).st_size
            while at < size:
                part = PAGE * rng.choice([1, 1, 1, 2, 4])
                if rng.random() < 0.5:
                    libc.sync_file_range(fd, ctypes.c_int64(at), ctypes.c_int64(part), WRITE_AND_WAIT)
                at += part
            os.close(fd)


def written_last(folder, count=4):
    times = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                times[path] = path.stat().st_mtime_ns
    return sorted(times, key=times.get)[-count:]


def forget_clean_pages(folder):
    """So that the next write makes small pages again: the kernel writes large ones whole, and nothing could be torn."""
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
