#!/usr/bin/env python3
"""Makes the table of metrics and docs/metrics.md from spec/metrics.toml.

    generate_metrics.py --cpp DIR            writes DIR/metrics_table.cc, if it changed
    generate_metrics.py --docs FILE          writes the page
    generate_metrics.py --check-docs FILE    exit code 1 when the page is not what it would write
"""
import json
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TYPES = ("counter", "gauge", "histogram")
BUCKETS = ("seconds", "bytes", "rows")


def check(metrics):
    names = [m["name"] for m in metrics]
    assert len(set(names)) == len(names), "a metric is listed twice"
    for metric in metrics:
        name = metric["name"]
        unknown = metric.keys() - {"name", "type", "help", "labels", "buckets"}
        assert not unknown, f"{name}: {unknown}"
        assert re.fullmatch(r"tidemill_[a-z_]+", name), name
        assert metric["type"] in TYPES, f"{name}: type {metric['type']}"
        assert (metric["type"] == "counter") == name.endswith("_total"), f"{name}: counters, and only they, end in _total"
        assert (metric["type"] == "histogram") == (metric.get("buckets") in BUCKETS), f"{name}: buckets belong to histograms"
        assert metric["help"].endswith("."), f"{name}: the help is a sentence"
        assert "le" not in metric.get("labels", []), f"{name}: le is Prometheus's own"


def quoted(text):
    return json.dumps(text)


def table_cc(metrics):
    out = ["// Made from spec/metrics.toml by tools/generate_metrics.py.", '#include "observe/metric_spec.h"', "", "namespace tidemill::observe {", "",
           "const std::vector<MetricSpec>& metric_specs() {", "  static const std::vector<MetricSpec> specs = {"]
    for metric in metrics:
        labels = ", ".join(map(quoted, metric.get("labels", [])))
        buckets = metric.get("buckets", "none")
        out.append(f"      {{{quoted(metric['name'])}, MetricType::{metric['type']}, {quoted(metric['help'])}, {{{labels}}}, Buckets::{buckets}}},")
    return "\n".join(out + ["  };", "  return specs;", "}", "", "}  // namespace tidemill::observe", ""])


def docs(metrics):
    out = ["# Metrics", "", "<!-- Made from spec/metrics.toml by tools/generate_metrics.py --docs docs/metrics.md -->", "",
           "Served as `/metrics` on `http.listen`, in Prometheus's text format.", "", "| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.get("labels", []))
        out.append(f"| `{metric['name']}` | {metric['type']} | {labels} | {metric['help']} |")
    return "\n".join(out) + "\n"


def write_if_changed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main(argv):
    with open(ROOT / "spec/metrics.toml", "rb") as file:
        metrics = tomllib.load(file)["metric"]
    check(metrics)
    mode, target = argv[1], pathlib.Path(argv[2])
    if mode == "--cpp":
        write_if_changed(target / "metrics_table.cc", table_cc(metrics))
    elif mode == "--docs":
        write_if_changed(target, docs(metrics))
    elif mode == "--check-docs":
        return 0 if target.exists() and target.read_text() == docs(metrics) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
