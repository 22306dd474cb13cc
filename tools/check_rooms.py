#!/usr/bin/env python3
"""Checks that the house is built as rooms.toml says. Prints what is wrong and ends with 1, or ends with 0.

    check_rooms.py [--build DIR] [--no-headers] [-j N]

  arrows     an #include "room/..." in src/<room> is an arrow of rooms.toml
  libraries  an outside library is included only in the rooms that [libraries] gives it to; Boost never in a header
  doors      time, disk, network and chance are used only in the room `world` (and in tests)
  headers    every header compiles alone; remembered in DIR/check_rooms.json until something it includes changes
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)

# First match wins. The value is a name in [libraries], or one of: system (anybody), source (.cc files only), test (_test.cc and _fuzz.cc).
HEADERS = [
    (r"boost/beast/.*", "boost_beast"), (r"boost/(asio|system)/.*", "boost_asio"), (r"boost/.*", "no library"),
    (r"lz4.*\.h", "lz4"), (r"zstd.*\.h", "zstd"), (r"snappy.*\.h", "snappy"), (r"zlib\.h", "z"),
    (r"yaml-cpp/.*", "yaml-cpp"), (r"simdjson\.h", "simdjson"), (r"libpq-fe\.h|libpq/.*|postgres.*", "pq"),
    (r"librdkafka/.*", "rdkafka"), (r"openssl/.*", "openssl"), (r"curl/.*", "curl"), (r"rocksdb/.*", "rocksdb"), (r"duckdb.*", "duckdb"),
    (r"re2/.*", "re2"), (r"unicode/.*", "icu"), (r"nghttp2/.*", "nghttp2"), (r"mysql/.*|mariadb/.*", "mariadb"), (r"pcre2.*", "pcre2"),
    (r"google/protobuf/.*", "protobuf"), (r"benchmark/.*", "test"), (r"g(test|mock)/.*", "test"),
    (r"nlohmann/.*", "source"), (r"fmt/.*", "system"),
    (r"[a-z_0-9]+", "system"),  # C++'s own have no ending
    (r"(sys|netinet|arpa|linux|net)/.*\.h", "system"),
    (r"(aio|cpuid|dirent|dlfcn|endian|errno|fcntl|fenv|fnmatch|getopt|glob|grp|ifaddrs|inttypes|langinfo|limits|locale|malloc|math|netdb|"
     r"poll|pthread|pty|pwd|sched|semaphore|signal|spawn|stdio|stdlib|string|strings|syslog|termios|time|ucontext|unistd|[a-z]mmintrin|x86intrin)\.h", "system"),
]
DOORS_INCLUDED = re.compile(r"fstream|filesystem|random|fcntl\.h|dirent\.h|netdb\.h|poll\.h|sys/(socket|random|epoll|stat|file|mman|uio)\.h|netinet/.*|arpa/.*")
DOORS_CALLED = re.compile(r"\b(system_clock|steady_clock|high_resolution_clock)::now|\bstd::(rand|srand|random_device)\b|\bgettimeofday\(|\bclock_gettime\(")
# `observe` is below `world`: it stamps lines by itself and writes them to standard error. `app` talks to the operating system as a program.
DOORKEEPERS = {"world", "observe", "app"}
# Files that wait for a descriptor of a library that cannot be given a Connection.
DOOR_EXCEPTIONS = {"src/connect/interrupt.cc"}


def is_test(path):
    return path.name.endswith(("_test.cc", "_fuzz.cc", "_test.h", "_for_test.h")) or path.name.startswith("test_")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def library_of(header):
    return next((library for pattern, library in HEADERS if re.fullmatch(pattern, header)), None)


def check_outside(path, room, header, libraries):
    library = library_of(header)
    if library is None:
        return f"<{header}>: not known; give it a library in tools/check_rooms.py"
    if header.startswith("boost/") and path.suffix == ".h":
        return f"<{header}>: no Boost in a header"
    if library == "system" or (library == "source" and (path.suffix == ".cc" or is_test(path))) or (library == "test" and is_test(path)):
        return None
    if library == "source":
        return f"<{header}>: in .cc files only"
    if library in libraries.get(room, []):
        return None
    return f"<{header}>: {room} may not use {library} (rooms.toml [libraries])"


def check_file(path, room, rooms, libraries):
    text = path.read_text()
    where = path.relative_to(ROOT)
    keeper = room in DOORKEEPERS or is_test(path) or str(where) in DOOR_EXCEPTIONS
    for found in INCLUDE.finditer(text):
        kind, header = found.groups()
        problem = None
        if kind == "<":
            problem = check_outside(path, room, header, libraries)
            if not problem and not keeper and DOORS_INCLUDED.fullmatch(header):
                problem = f"<{header}>: time, disk, network and chance come through the room world"
        else:
            seen = header.split("/")[0]
            if "/" not in header:
                problem = f'"{header}": write the path from src/'
            elif seen not in rooms:
                problem = f'"{header}": {seen} is no room'
            elif seen != room and seen not in rooms[room]:
                problem = f'"{header}": {room} may not see {seen} (rooms.toml)'
        if problem:
            yield f"{where}:{line_of(text, found.start())}: {problem}"
    if not keeper:
        for found in DOORS_CALLED.finditer(text):
            yield f"{where}:{line_of(text, found.start())}: {found.group(0)}: time and chance come through the room world"


def check_arrows(rooms):
    """An arrow goes down: no room sees one that sees it."""
    for room, seen in rooms.items():
        for other in seen:
            if other not in rooms:
                yield f"rooms.toml: {room} sees {other}, which is no room"
            elif room in rooms[other]:
                yield f"rooms.toml: {room} and {other} see each other"
            elif missing := set(rooms[other]) - set(seen):
                yield f"rooms.toml: {room} sees {other} but not what {other} sees: {', '.join(sorted(missing))}"


# --- headers compile alone ---


def compile_alone(header, build):
    """(problem or None, files read)"""
    with tempfile.NamedTemporaryFile(suffix=".d") as deps:
        command = ["clang++-19", "-std=c++23", "-fsyntax-only", "-x", "c++-header", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-pragma-once-outside-header",
                   "-msse4.2", "-mpclmul", "-DFMT_HEADER_ONLY=1", f"-I{SRC}", f"-I{build / 'generated'}", "-I/usr/include/postgresql", "-MD", "-MF", deps.name, str(header)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            first = next((line for line in done.stderr.splitlines() if "error:" in line), done.stderr[:300])
            return f"{header.relative_to(ROOT)}: does not compile alone: {first}", []
        words = pathlib.Path(deps.name).read_text().replace("\\\n", " ").split()[1:]
        return None, [word for word in words if not word.startswith("/usr/")]


def stamps(files):
    return {file: os.stat(file).st_mtime_ns for file in files if os.path.exists(file)}


def check_headers(headers, build, jobs):
    memory_path = build / "check_rooms.json"
    memory = json.loads(memory_path.read_text()) if memory_path.exists() else {}
    fresh = [h for h in headers if not memory.get(str(h)) or stamps(memory[str(h)]) != memory[str(h)]]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for header, (problem, files) in zip(fresh, pool.map(lambda h: compile_alone(h, build), fresh)):
            memory[str(header)] = stamps(files) if not problem else {}
            if problem:
                yield problem
    memory_path.write_text(json.dumps(memory))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--no-headers", action="store_true")
    parser.add_argument("-j", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.build = options.build.resolve()
    with open(ROOT / "rooms.toml", "rb") as file:
        house = tomllib.load(file)
    rooms, libraries = house["rooms"], house["libraries"]

    problems = list(check_arrows(rooms))
    files = sorted(path for path in SRC.rglob("*") if path.suffix in (".h", ".cc"))
    for path in files:
        room = path.relative_to(SRC).parts[0]
        if room not in rooms:
            problems.append(f"{path.relative_to(ROOT)}: {room} is no room of rooms.toml")
            continue
        problems.extend(check_file(path, room, rooms, libraries))
    headers = [path for path in files if path.suffix == ".h"]
    if not options.no_headers:
        if not (options.build / "generated").is_dir():
            sys.exit(f"{options.build} has no generated headers: configure it first (cmake -S . -B build ...), or use --no-headers")
        problems.extend(check_headers(headers, options.build, options.j))
    print("\n".join(problems) if problems else f"{len(files)} files in {len(rooms)} rooms, {len(headers)} headers: as rooms.toml says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
