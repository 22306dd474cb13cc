"""tidemill scrub: clean after a load and a kill, finds a flipped byte with its topic, refuses to look while a server runs."""

import json
import subprocess

from harness import BINARY, Server

CLEAN, DAMAGE, FAILED = 0, 1, 2
UNSORTED = {"log.journal_file_bytes": "1MiB"}
SMALL = UNSORTED | {"log.sort_bytes": "2MiB"}


def scrub(data, *words):
    done = subprocess.run([str(BINARY), "scrub", "--data", str(data), *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def loaded(settings):
    server = Server(settings)
    lines = "\n".join(f"{i}\tvalue {i} {'x' * 900}" for i in range(9000))
    server.kcat("-P", "-t", "orders", "-K", "\t", input=lines.encode())
    server.kcat("-P", "-t", "orders", input=b"the last one\n")
    return server


def test_a_killed_server_leaves_a_clean_directory_and_a_running_one_is_not_looked_at():
    server = loaded(SMALL)
    code, said, why = scrub(server.data)
    assert code == FAILED and "is running" in why, (code, said, why)
    server.kill()
    code, said, why = scrub(server.data)
    assert code == CLEAN and said.splitlines()[-1].startswith("clean: "), (code, said, why)  # a kill may leave notes


def test_one_flipped_byte_is_damage_with_the_name_of_its_topic():
    server = loaded(UNSORTED)
    server.stop()
    for file in sorted(server.data.glob("journal/*.journal")):
        content = bytearray(file.read_bytes())
        at = content.find(b"value 4321 ")
        if at < 0:
            continue
        content[at] ^= 1
        file.write_bytes(content)
        code, said, why = scrub(server.data, "--json")
        found = [json.loads(line) for line in said.splitlines()]
        assert code == DAMAGE, (code, said, why)
        assert found[-1]["kind"] == "summary" and found[-1]["damage"] >= 1, said
        lost = [part for one in found[:-1] for part in one["lost"] if one["file"] == f"{file.parent.name}/{file.name}"]
        assert any(part.get("topic") == "orders" for part in lost), said
        return
    raise AssertionError("the record is in no file")


def test_what_is_not_a_data_directory_is_not_called_clean():
    code, said, why = scrub("/nowhere/at/all")
    assert code == FAILED and not said, (code, said, why)
