"""Reads Prometheus' text format 0.0.4 and is strict about it; promtool is not on every machine."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'^({NAME})(?:\{{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (\S+)( -?\d+)?$')
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


def parse(text):
    """{name: {labels: value}}. Fails on what a Prometheus would refuse or warn about."""
    assert text.endswith("\n"), "the last line has no end"
    types, helps, samples = {}, set(), {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helps, f"two HELP lines for {name}"
            helps.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in TYPES and name not in types, line
            assert not any(n == name for n in samples), f"TYPE behind samples: {name}"
            types[name] = kind
        elif line and not line.startswith("#"):
            found = SAMPLE.match(line)
            assert found, f"not a sample: {line!r}"
            name, labels, value, _ = found.groups()
            family = name if name in types else re.sub("_(bucket|sum|count)$", "", name)
            assert family in types and family in helps, f"{name} has no TYPE or no HELP"
            assert (labels or "") not in samples.setdefault(name, {}), f"twice: {line}"
            samples[name][labels or ""] = float(value)
            if types[family] == "counter":
                assert name.endswith("_total"), f"counter {name} does not end in _total"
                assert float(value) >= 0, line
    return samples
