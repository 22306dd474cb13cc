#!/usr/bin/env python3
"""Measures Tidemill through its real ports, beside a peer in the same run where there is one, and appends to bench/RESULTS.md.

  latency   commit in PostgreSQL to the answer of a pull query that counts it, at 500 transactions a second
  produce   1 KiB records, acks=all, idempotent, through librdkafka; --kafka FOLDER adds Apache Kafka (made by its `install` script)
  capture   rows a second drained from a replication slot, against pg_recvlogical -f /dev/null over the same slot contents
  sql       events per CPU second: a filter and a grouped count over a topic, from its beginning
  start     time from exec to the first answer, and idle memory
  all       each of them
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests")]

import harness
import measures
import results


def build_drivers():
    build = pathlib.Path(os.environ.get("TIDEMILL_BUILD", ROOT / "build"))
    subprocess.run(["ninja", "-C", str(build), "bench_drivers"], check=True, stdout=subprocess.DEVNULL)
    return build / "bench"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*measures.ALL, "all"])
    parser.add_argument("--force", action="store_true", help="measure on a busy machine; the load is recorded")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 for a tenth of the work, to try things out")
    parser.add_argument("--kafka", metavar="FOLDER", help="a folder with Kafka's start script `kafka`; PEERS_KAFKA says where its jars are")
    options = parser.parse_args()
    load = results.refuse_when_busy(options.force)  # before the first: what follows is our own load
    options.drivers = build_drivers()
    for name in measures.ALL if options.what == "all" else [options.what]:
        measures.ALL[name](options, load)
        harness.clean_up()


main()
