"""A campaign is worth what its verifier finds: each broken promise, planted in a good history, is found."""

import subprocess
import types

import test_bit_flips
from campaign import ACK, SEED, Account, Load, check, steady_server
from harness import temporary_directory, wait_for
from test_bit_flips import fetching


def history():
    """A server with some records, their account, and the words to check it with."""
    server = steady_server()
    load = Load(server, topics=1, partitions=1, rate=2000, count=2000, large=0)
    wait_for("the load to end", lambda: load.process.poll() is not None)
    return server, load.account, load.shape


def complaint(server, entries, shape):
    account = Account(temporary_directory() / "acks")
    account.path.write_bytes(b"".join(ACK.pack(*entry) for entry in entries))
    try:
        check(server, account, *shape)
    except AssertionError as error:
        return str(error)
    return "nothing"


def served_again(server, offset):
    """Writes the record at that offset a second time, as a careless retry would."""
    record = server.kcat("-C", "-t", "proof-0", "-o", str(offset), "-c", "1", "-q", "-f", "%s")
    path = temporary_directory() / "record"
    path.write_bytes(record)
    subprocess.run(["kcat", "-b", server.addresses["kafka"], "-P", "-t", "proof-0", "-p", "0", path], check=True)


def test_the_verifier_finds_what_is_lost_moved_reused_double_or_foreign():
    server, account, shape = history()
    acks = account.after(0)
    assert len(acks) == 2000 and complaint(server, acks, shape) == "nothing"
    assert "is missing" in complaint(server, [*acks, (0, 0, 2000, 2000, 0, 0)], shape)
    moved = [*acks[:50], (0, 0, acks[50][2], 51, 0, 0), *acks[51:]]
    assert "was acknowledged for record 51 and holds 50" in complaint(server, moved, shape)
    assert "was acknowledged for record 7 and for 3000" in complaint(server, [*acks, (0, 0, 7, 3000, 0, 0)], shape)
    assert "another partition or run" in complaint(server, acks, [*shape[:-1], str(SEED + 1)])
    served_again(server, 100)
    assert "holds record 100 after 1999: double" in complaint(server, acks, shape)
    server.kcat("-P", "-t", "proof-0", "-p", "0", input=b"a stranger\n")
    assert "bytes that nobody sent" in complaint(server, acks, shape)


def partition(batches, end, errors=()):
    found = fetching.Partition()
    found.served, found.end, found.errors = dict(batches), end, dict(errors)
    return {("proof-0", 0): found}


def test_the_comparison_behind_a_flipped_bit_finds_wrong_silent_and_too_many_losses():
    batches = {base: b"batch %d" % base for base in range(20)}
    original = types.SimpleNamespace(served=partition(batches, 20))

    def complaints(found, log=""):
        return " ".join(test_bit_flips.compare(original, found, log)[0])

    without_3 = {base: batch for base, batch in batches.items() if base != 3}
    assert complaints(partition(batches, 20)) == ""
    assert complaints(partition(without_3, 20, {3: 2})) == ""
    assert complaints(partition(without_3, 20), "log.damage") == ""
    assert "neither a client nor the log" in complaints(partition(without_3, 20))
    assert "other bytes at offset 3" in complaints(partition(batches | {3: b"batch 4"}, 20))
    assert "other bytes at offset 20" in complaints(partition(batches | {20: b"new"}, 21))
    assert "out of reach" in complaints(partition({}, 20, {base: 2 for base in batches}))
