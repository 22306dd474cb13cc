"""A server that cannot start says why, what to do, and ends with the exit code of docs/operations.md."""

import os
import socket
import subprocess

import golden_text
from harness import BINARY, LISTENERS, Server, temporary_directory

USAGE, CONFLICT, REFUSED = 2, 4, 5


def refused(data, *sets, prefix=(), arguments=()):
    """Exit code and what was said on standard error."""
    listen = [f"{name}.listen=127.0.0.1:0" for name in LISTENERS]
    words = [part for s in [*listen, *sets] for part in ("--set", s)]
    done = subprocess.run([*prefix, str(BINARY), "start", "--data", str(data), *words, *arguments], capture_output=True, text=True, timeout=30)
    said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("{"))
    return done.returncode, said


def test_a_busy_port_is_named_with_its_setting():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for name in ("kafka", "ksql"):
            code, said = refused(temporary_directory() / "data", f"{name}.listen=127.0.0.1:{port}")
            assert code == CONFLICT, (code, said)
            golden_text.check(f"busy_port_{name}", said, port=port)


def test_a_data_directory_of_somebody_else_is_refused():
    place = temporary_directory()
    (place / "data").mkdir(mode=0o700)
    prefix = ("runuser", "-u", "nobody", "--") if os.geteuid() == 0 else ()
    if not prefix:
        os.chmod(place / "data", 0)
    code, said = refused(place / "data", prefix=prefix)
    assert code == REFUSED, (code, said)
    golden_text.check("unreadable_data", said, dir=place / "data")


def test_a_second_server_on_the_same_directory_is_refused():
    server = Server()
    code, said = refused(server.data)
    assert code == CONFLICT, (code, said)
    golden_text.check("second_server", said, dir=server.data, pid=server.process.pid)
    server.kcat("-L")


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    code, said = refused(temporary_directory() / "data", "kafka.lisen=127.0.0.1:0")
    assert code == USAGE, (code, said)
    golden_text.check("unknown_setting", said)


def test_a_wrong_value_is_refused_with_what_the_setting_takes():
    for name, setting in {"wrong_address": "kafka.listen=somewhere", "wrong_size": "log.journal_file_bytes=many", "wrong_flag": "kafka.auto_create_topics=perhaps"}.items():
        code, said = refused(temporary_directory() / "data", setting)
        assert code == USAGE, (code, said)
        golden_text.check(name, said)


def test_wrong_words_on_the_command_line_are_refused():
    for name, words in {"no_command": [], "unknown_command": ["strat"], "unknown_option": ["start", "--dta", "x"], "missing_value": ["start", "--data"]}.items():
        done = subprocess.run([str(BINARY), *words], capture_output=True, text=True, timeout=30)
        assert done.returncode == USAGE, (done.returncode, done.stderr)
        golden_text.check(f"command_{name}", done.stderr)


def test_a_configuration_file_that_is_not_there_or_not_yaml_is_refused():
    place = temporary_directory()
    (place / "broken.yaml").write_text("kafka:\n  listen: [127.0.0.1:0\n")
    for name, file in {"config_missing": place / "none.yaml", "config_broken": place / "broken.yaml"}.items():
        code, said = refused(place / "data", arguments=("--config", str(file)))
        assert code != 0, said
        golden_text.check(name, said, dir=place)


def test_listening_to_the_network_without_authentication_is_refused():
    for address in ("0.0.0.0:0", "[::]:0"):
        code, said = refused(temporary_directory() / "data", f"kafka.listen={address}")
        assert code in (USAGE, REFUSED), (code, said)
        golden_text.check("not_loopback", said, address=address)
