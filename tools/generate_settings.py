#!/usr/bin/env python3
"""Makes the C++ struct and table of settings, and docs/settings.md, from spec/settings.toml.

    generate_settings.py --cpp DIR            writes DIR/fields.h and DIR/table.cc, if they changed
    generate_settings.py --docs FILE          writes the page
    generate_settings.py --check-docs FILE    exit code 1 when the page is not what it would write
"""
import json
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CPP_TYPES = {
    "string": "std::string", "int": "std::int64_t", "count": "std::size_t", "bytes": "std::size_t", "duration": "std::chrono::milliseconds",
    "bool": "bool", "address": "ListenAddress", "choice": "std::string", "list": "std::vector<std::string>",
}
BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
DURATIONS = {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def number(setting, value):
    """A number, or text with a suffix, as the number that C++ keeps."""
    if isinstance(value, int):
        return value
    digits, suffix = re.fullmatch(r"(\d+)([A-Za-z]*)", value).groups()
    units = {"bytes": BYTES, "duration": DURATIONS}.get(setting["type"], {"": 1})
    return int(digits) * units[suffix]


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def field(setting):
    return setting["name"].replace(".", "_")


def limits(setting):
    low = number(setting, setting.get("min", 0)) if setting["type"] != "int" else number(setting, setting.get("min", -(2**63) + 1))
    return low, number(setting, setting.get("max", 2**63 - 1))


def default_cpp(setting):
    value = setting["default"]
    match setting["type"]:
        case "string" | "choice":
            return quoted(value)
        case "int":
            return str(number(setting, value))
        case "count" | "bytes":
            return f"{number(setting, value)}u"
        case "duration":
            return f"std::chrono::milliseconds({number(setting, value)})"
        case "bool":
            return "true" if value else "false"
        case "list":
            return "{" + ", ".join(map(quoted, value)) + "}"
        case "address":
            if value == "off":
                return "{}"
            host, port = value.rsplit(":", 1)
            return f"{{{quoted(host)}, {port}, false}}"


def check(settings):
    names = [s["name"] for s in settings]
    assert len(set(names)) == len(names), "a setting is listed twice"
    assert len({field(s) for s in settings}) == len(names), "two settings have the same field"
    for setting in settings:
        unknown = setting.keys() - {"name", "type", "default", "doc", "min", "max", "values", "secret"}
        assert not unknown, f"{setting['name']}: {unknown}"
        assert setting["type"] in CPP_TYPES, f"{setting['name']}: type {setting['type']}"
        assert setting["doc"].endswith("."), f"{setting['name']}: the doc is a sentence"
        if setting["type"] in ("int", "count", "bytes", "duration"):
            low, high = limits(setting)
            assert low <= number(setting, setting["default"]) <= high, f"{setting['name']}: default outside its limits"


def fields_h(settings):
    out = ["// Made from spec/settings.toml by tools/generate_settings.py.", "#pragma once", "", "#include <chrono>", "#include <cstdint>",
           "#include <string>", "#include <vector>", "", '#include "settings/listen_address.h"', "", "namespace tidemill::settings {", "",
           "struct Settings {"]
    for setting in settings:
        out.append(f"  {CPP_TYPES[setting['type']]} {field(setting)} = {default_cpp(setting)};")
    return "\n".join(out + ["};", "", "}  // namespace tidemill::settings", ""])


def table_cc(settings):
    out = ["// Made from spec/settings.toml by tools/generate_settings.py.", '#include "settings/table.h"', "", "namespace tidemill::settings {", "",
           "const std::vector<Row>& table() {", "  static const std::vector<Row> rows = {"]
    for setting in settings:
        name, kind = setting["name"], setting["type"]
        member = f"s.{field(setting)}"
        if kind in ("int", "count", "bytes", "duration"):
            low, high = limits(setting)
            read = f"read_{kind}(text, {low}, {high}, {member})"
        elif kind == "choice":
            read = f"read_choice(text, {{{', '.join(map(quoted, setting['values']))}}}, {member})"
        else:
            read = f"read_{kind}(text, {member})"
        secret = "true" if setting.get("secret") else "false"
        out.append(f"      {{{quoted(name)}, {secret}, {'true' if kind == 'list' else 'false'}, [](Settings& s, const std::string& text) {{ return {read}; }},")
        out.append(f"       [](const Settings& s) {{ return show({member}); }}}},")
    return "\n".join(out + ["  };", "  return rows;", "}", "", "}  // namespace tidemill::settings", ""])


def accepted(setting):
    kind = setting["type"]
    if kind == "choice":
        return ", ".join(f"`{v}`" for v in setting["values"])
    if kind == "address":
        return "HOST:PORT, or `off`"
    if kind not in ("int", "count", "bytes", "duration"):
        return {"bool": "`true`, `false`", "list": "text, text..."}.get(kind, "text")
    low, high = setting.get("min", 0 if kind != "int" else None), setting.get("max")
    span = f"{low} to {high}" if low is not None and high is not None else f"at least {low}" if low is not None else f"at most {high}"
    return {"count": "number", "int": "number"}.get(kind, kind) + ", " + span


def docs(settings):
    out = ["# Settings", "", "<!-- Made from spec/settings.toml by tools/generate_settings.py --docs docs/settings.md -->", "",
           "Set in a YAML file (`tidemill start --config FILE`), nested or with dots, or one by one: `--set kafka.listen=127.0.0.1:9093`.",
           "`--set` wins over the file. An unknown name or a wrong value stops the start and says what was meant.", "",
           "```yaml", "kafka:", "  listen: 127.0.0.1:9092", "log.tail_cache_bytes: 128MiB", "ksql.listen: off", "```", "",
           "Sizes take B, KiB, MiB, GiB, TiB (powers of 1024) and KB, MB, GB, TB (powers of 1000); durations ms, s, min, h, d. In a listen address port",
           "0 takes a free port; the real ones are in `listening.json` in the data folder. Listening beyond this machine is refused as long as there is no login.",
           "", "| Setting | Default | Accepts | Meaning |", "|---|---|---|---|"]
    for setting in settings:
        value = setting["default"]
        shown = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else ", ".join(value) if isinstance(value, list) else str(value)
        out.append(f"| `{setting['name']}` | {f'`{shown}`' if shown else ''} | {accepted(setting)} | {setting['doc']} |")
    return "\n".join(out) + "\n"


def write_if_changed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main(argv):
    with open(ROOT / "spec/settings.toml", "rb") as file:
        settings = tomllib.load(file)["setting"]
    check(settings)
    mode, target = argv[1], pathlib.Path(argv[2])
    if mode == "--cpp":
        write_if_changed(target / "fields.h", fields_h(settings))
        write_if_changed(target / "table.cc", table_cc(settings))
    elif mode == "--docs":
        write_if_changed(target, docs(settings))
    elif mode == "--check-docs":
        return 0 if target.exists() and target.read_text() == docs(settings) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
