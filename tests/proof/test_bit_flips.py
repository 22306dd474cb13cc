"""One bit of one file in the data directory is wrong. No wrong byte is ever served, no other record is out of reach, what cannot be
served is said, and the file stays as it is. (A file whose records are all elsewhere may go: that is housekeeping.)"""

import json
import shutil
import sys
import time
from collections import Counter, defaultdict

import harness
from campaign import LONG, begin, in_parallel, length, memory_directory, say
from harness import Server
from test_kill_points import SETTINGS, Telling, kind_of

sys.path.insert(0, str(harness.ROOT / "tests" / "ops"))
import fetching  # noqa: E402, needs kafka_frames of tests/ops

SECONDS = 60
TRANSIENT = {"listening.json", "lock"}
GROUP_BATCHES_MAX = 8  # the story waits for each record: only a query's rows and its position share a group
PULL = "SELECT page, n FROM pages;"


class Original:
    """A directory with every kind of file, and what an undisturbed server over a copy of it serves."""

    def __init__(self, stopped_cleanly):
        self.name = "cleanly stopped" if stopped_cleanly else "killed"
        telling = Telling(0)
        assert telling.tell(stop=stopped_cleanly)
        telling.server.kill()
        self.data = telling.server.data
        self.files = defaultdict(list)  # by folder and kind
        for path in sorted(p for p in self.data.rglob("*") if p.is_file() and p.name not in TRANSIENT and p.stat().st_size):
            self.files[f"{path.relative_to(self.data).parts[0]} {kind_of(path.name)}"].append(path.relative_to(self.data))
        life = Life(self.data).start()
        topics = json.loads(life.server.kcat("-L", "-J"))["topics"]
        # A table's topic is compacted behind our back, which changes its batches: its answers are compared instead.
        self.topics = {t["topic"]: len(t["partitions"]) for t in topics if t["topic"] != "PAGES"}
        self.served = fetching.read_topics(life.server.addresses["kafka"], self.topics)
        self.answer = life.answer()
        life.end()
        assert self.answer and all(not p.errors for p in self.served.values())

    def choose(self, rng):
        """A kind of file, one of it, and a bit: half of the time anywhere, else where there is something beside zeros."""
        path = rng.choice(self.files[rng.choice(sorted(self.files))])
        data = (self.data / path).read_bytes()
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            blocks = [b for b in range(0, len(data), 512) if any(data[b:b + 512])]
            at = min(rng.choice(blocks) + rng.randrange(512), len(data) - 1) if blocks else at
        return self, path, at * 8 + rng.randrange(8)


class Life:
    """A server over a copy."""

    def __init__(self, source):
        self.place = memory_directory()
        shutil.copytree(source, self.place / "data")
        self.server = Server(SETTINGS, self.place / "data", start=False)

    def start(self):
        self.server.start()
        return self

    def flip(self, path, bit):
        with open(self.place / "data" / path, "r+b") as file:
            file.seek(bit // 8)
            byte = file.read(1)[0]
            file.seek(bit // 8)
            file.write(bytes([byte ^ 1 << bit % 8]))

    def answer(self):
        """The query's rows; nothing when it is refused."""
        try:
            return sorted(map(tuple, self.server.query(PULL)))
        except AssertionError:
            return None

    def still_has(self, path, size):
        """It may have got another name, with its own in front."""
        return any(p.stat().st_size >= size for p in (self.place / "data" / path).parent.glob(f"{path.name}*"))

    def end(self):
        self.server.kill()
        shutil.rmtree(self.place)


def compare(original, found, log):
    """What is wrong with what was served, in words; and how many batches could not be had."""
    wrong, missing = [], []
    for place, before in original.served.items():
        now = found[place]
        wrong += [f"{place}: other bytes at offset {base}" for base, content in now.served.items() if before.served.get(base) != content]
        lost = [base for base in before.served if base not in now.served]
        missing += [(place, base) for base in lost]
        silent = [base for base in lost if not now.errors.get(base) and not now.errors.get(0)]
        if silent and not ("log.damage" in log or "catalog.damage" in log):
            wrong.append(f"{place}: offsets {silent[:5]} are gone, and neither a client nor the log is told (end {now.end}, was {before.end})")
    topics = {place[0] for place, _ in missing}
    if len(missing) > GROUP_BATCHES_MAX and not (len(topics) == 1 and "catalog.damage" in log):
        wrong.append(f"{len(missing)} batches of {sorted(topics)} are out of reach, more than a group has")
    return wrong, len(missing)


def judge(life, original, path, bit):
    life.flip(path, bit)
    try:
        life.start()
    except (RuntimeError, AssertionError) as error:
        return [f"the start failed: {error}"], 0
    found = fetching.read_topics(life.server.addresses["kafka"], original.topics, original.served)
    answer = life.answer()
    log = life.server.log_text()
    wrong, missing = compare(original, found, log)
    if answer is not None and answer != original.answer:
        wrong.append(f"the query answers {answer}, not {original.answer}")
    if missing and not life.still_has(path, (original.data / path).stat().st_size):
        wrong.append("records are out of reach, and the damaged file was deleted or cut")
    return wrong, missing


def flipped(choice):
    """Gives the kind of file, how many batches could not be had, and what was wrong."""
    original, path, bit = choice
    life = Life(original.data)
    try:
        wrong, missing = judge(life, original, path, bit)
    finally:
        life.end()
    kind = f"{path.parts[0]} {kind_of(path.name)}"
    return kind, missing, [f"directory of a {original.name} server, {path}, byte {bit // 8}, bit {bit % 8}: {what}" for what in wrong]


def test_a_flipped_bit_is_never_served_and_never_costs_another_record():
    rng = begin("one flipped bit")
    originals = [Original(stopped_cleanly=False), Original(stopped_cleanly=True)]
    start = time.monotonic()
    choices = (originals[n % 2].choose(rng) for n in range(length(1000, 4000)))
    done = in_parallel(flipped, choices, None if LONG else SECONDS)
    kinds, lossy = Counter(kind for kind, _, _ in done), Counter(kind for kind, missing, _ in done if missing)
    say(f"{len(done)} flips, {time.monotonic() - start:.0f} s: {dict(kinds)}; records out of reach after {dict(lossy)}")
    wrong = [what for _, _, violations in done for what in violations]
    assert not wrong, f"{len(wrong)} violations:\n" + "\n".join(wrong[:20])
