"""Runs the tests: unit programs, scripts through the real ports, fuzz targets; ends with 'N passed, N failed'.

quick: the rooms check, unit programs and scripts but the campaigns (tests/crash, tests/proof). plain: with the campaigns in their short form
and 15 s of each fuzz target. long: the campaigns' long form (TIDEMILL_LONG=1), 120 s of each target, and the unit and script tests under the
address and undefined behaviour sanitizers as well. A script test is a function test_* in tests/*/test_*.py. `python3 tests/run.py only PATTERN`
runs the unit programs and scripts that match."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
CAMPAIGNS = ("crash", "proof")
sys.path.insert(0, str(ROOT / "tests"))
passed, failed = [], []


def report(name, ok, seconds, detail=""):
    (passed if ok else failed).append(name)
    print(f"{'ok  ' if ok else 'FAIL'} {name} ({seconds:.1f} s)" + (f"\n{detail}" if detail and not ok else ""), flush=True)


def unit_programs(build, pattern):
    for program in sorted(build.glob("*_test")):
        if pattern and not re.search(pattern, program.name):
            continue
        start = time.monotonic()
        done = subprocess.run([str(program), "--gtest_brief=1"], capture_output=True, text=True, cwd=ROOT, timeout=1500)
        count = re.search(r"\[  PASSED  \] (\d+) test", done.stdout)
        for _ in range(int(count[1]) if count else 0):
            passed.append(program.name)
        if done.returncode == 0:
            print(f"ok   {program.name}: {count[1] if count else 0} tests ({time.monotonic() - start:.1f} s)", flush=True)
        else:
            broken = re.findall(r"\[  FAILED  \] (\S+)", done.stdout) or ["ended with %d" % done.returncode]
            report(f"{program.name}: {', '.join(sorted(set(broken)))}", False, time.monotonic() - start, (done.stdout + done.stderr)[-6000:])


def scripts(pattern, with_campaigns):
    for file in sorted((ROOT / "tests").glob("*/test_*.py")):
        if file.parent.name == "peers" or (file.parent.name in CAMPAIGNS and not with_campaigns):
            continue
        if file.parent.name not in sys.path:
            sys.path.insert(0, str(file.parent))
        spec = importlib.util.spec_from_file_location(f"{file.parent.name}.{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        names = re.findall(r"^def (test_\w+)", file.read_text(), re.M)
        wanted = [n for n in names if not pattern or re.search(pattern, f"{file.parent.name}/{file.stem}.{n}")]
        if not wanted:
            continue
        try:
            spec.loader.exec_module(module)
        except Exception:
            report(f"{file.parent.name}/{file.stem}", False, 0, traceback.format_exc())
            continue
        for name in wanted:
            start = time.monotonic()
            try:
                getattr(module, name)()
                report(f"{file.parent.name}/{file.stem}.{name}", True, time.monotonic() - start)
            except Exception:
                report(f"{file.parent.name}/{file.stem}.{name}", False, time.monotonic() - start, traceback.format_exc())
            finally:
                import harness
                harness.clean_up()


def rooms():
    start = time.monotonic()
    done = subprocess.run([sys.executable, "tools/check_rooms.py"], cwd=ROOT, capture_output=True, text=True)
    report("rooms: declared arrows only, headers compile alone", done.returncode == 0, time.monotonic() - start, done.stdout + done.stderr)


def fuzz(seconds):
    subprocess.run(["tools/build", "build-fuzz", "--cmake", "-DTIDEMILL_FUZZ=ON"] + fuzz_targets(), cwd=ROOT, check=True)
    for name in fuzz_targets():
        start = time.monotonic()
        corpus = ROOT / "build-fuzz" / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = [str(p) for p in [ROOT / "tests" / "fuzz" / name] if p.is_dir()]
        done = subprocess.run([str(ROOT / "build-fuzz" / name), str(corpus), *seeds, f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20",
                               "-verbosity=0", f"-artifact_prefix={ROOT}/build-fuzz/{name}-"], capture_output=True, text=True)
        report(f"fuzz {name}", done.returncode == 0, time.monotonic() - start, done.stderr[-4000:])


def fuzz_targets():
    return sorted(p.stem for p in (ROOT / "src").rglob("*_fuzz.cc"))


def sanitized():
    subprocess.run(["tools/build", "build-sanitize", "--cmake", "-DTIDEMILL_SANITIZE=ON"], cwd=ROOT, check=True)
    unit_programs(ROOT / "build-sanitize", None)
    os.environ["TIDEMILL_INSTRUMENTED"] = "1"  # it needs several times the memory
    os.environ["TIDEMILL"] = str(ROOT / "build-sanitize" / "tidemill")
    import harness
    harness.BINARY = pathlib.Path(os.environ["TIDEMILL"])
    scripts(None, with_campaigns=False)


def main():
    kind = sys.argv[1] if len(sys.argv) > 1 else "plain"
    pattern = sys.argv[2] if kind == "only" else None
    if kind not in ("quick", "plain", "long", "only"):
        sys.exit(f"./test: unknown kind '{kind}'; it takes quick or long")
    if kind == "long":
        os.environ["TIDEMILL_LONG"] = "1"
    if kind != "only":
        rooms()
    unit_programs(ROOT / "build", pattern)
    scripts(pattern, with_campaigns=kind != "quick")
    if kind in ("plain", "long"):
        fuzz(15 if kind == "plain" else 120)
    if kind == "long":
        sanitized()
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(passed)} passed, {len(failed)} failed")
    sys.exit(1 if failed or not passed else 0)


main()
