"""What bench/run.py can measure. Each function starts its own servers, measures, records."""

import json
import os
import pathlib
import subprocess
import time

import harness
import results
from harness import PG_BIN, Postgres, Server, free_port, temporary_directory, wait_for

TICKS = os.sysconf("SC_CLK_TCK")


def driver(options, name, **arguments):
    words = [part for key, value in arguments.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    done = subprocess.run([str(options.drivers / f"bench_{name}"), *words], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"bench_{name} {' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)


def cpu_s(pid):
    """User and system seconds of the process so far, all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid):
    line = next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def end_offset(server, topic, partitions=1):
    asked = [part for p in range(partitions) for part in ("-t", f"{topic}:{p}:-1")]
    return sum(int(line.rsplit(b"offset ", 1)[1]) for line in server.kcat("-Q", *asked).splitlines())


def connector(server, postgres, **more):
    server.connector("shop", postgres.connector_config(slot__name="bench", publication__name="bench", key__converter__schemas__enable="false",
                                                       value__converter__schemas__enable="false", decimal__handling__mode="string", **more))
    wait_for("the connector to stream", lambda: postgres.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'bench'") == "t", 60)


# latency

def latency(options, load):
    postgres = Postgres()
    postgres.sql("CREATE TABLE pulse (id bigserial PRIMARY KEY, source text NOT NULL); INSERT INTO pulse (source) VALUES ('bench')")
    server = Server()
    server.ksql("CREATE STREAM pulse (id BIGINT, source VARCHAR) WITH (KAFKA_TOPIC='shop.public.pulse', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);")
    server.ksql("CREATE TABLE pulses AS SELECT source, COUNT(*) AS n FROM pulse GROUP BY source EMIT CHANGES;", {"auto.offset.reset": "earliest"})
    connector(server, postgres)
    wait_for("the first answer", lambda: server.query("SELECT n FROM pulses WHERE source = 'bench';") == [[1]], 60)
    conninfo = f"host=127.0.0.1 port={postgres.port} user=postgres dbname=postgres"
    rows = []
    for rate in (500, 50):
        before = cpu_s(server.process.pid)
        found = driver(options, "commit_to_answer", database=conninfo, ksql=server.addresses["ksql"], brokers=server.addresses["kafka"], rate=rate,
                       seconds=max(2, 20 * options.scale))
        rows.append({"transactions/s": found["transactions_per_s"], "commit to answer p50 ms": found["answer_ms_p50"], "p99 ms": found["answer_ms_p99"], "max ms": found["answer_ms_max"],
                     "commit to topic p50 ms": found["topic_ms_p50"], "topic p99 ms": found["topic_ms_p99"], "question p50 ms": found["question_ms_p50"],
                     "question p99 ms": found["question_ms_p99"], "server CPU s": cpu_s(server.process.pid) - before})
    results.record("Commit to answer", load, rows, "PostgreSQL with fsync=off on the same machine; the question is repeated 200 us after each answer.")


# produce

def produce_runs(options, brokers, create):
    found = {}
    for partitions in (1, 16):
        topic = f"p{partitions}"
        create(topic, partitions)
        driver(options, "produce", brokers=brokers, topic=topic, partitions=partitions, seconds=1)  # warms
        found[partitions] = driver(options, "produce", brokers=brokers, topic=topic, partitions=partitions, seconds=max(1, 10 * options.scale))
    return found


def kafka_peer(options, *properties):
    """Brokers' address and a way to stop it."""
    script, data, port = str(pathlib.Path(options.kafka) / "kafka"), temporary_directory("tidemill-kafka-"), free_port()
    subprocess.run([script, "start", str(data / "data"), str(port), *properties], check=True, stdout=subprocess.DEVNULL)
    return f"127.0.0.1:{port}", lambda: subprocess.run([script, "kill", str(data / "data")], check=False)


def kafka_runs(options, *properties):
    brokers, stop = kafka_peer(options, *properties)
    tool = str(pathlib.Path(options.kafka) / "tool")
    try:
        return produce_runs(options, brokers, lambda topic, n: subprocess.run(
            [tool, "topics", "--bootstrap-server", brokers, "--create", "--topic", topic, "--partitions", str(n)], check=True, stdout=subprocess.DEVNULL))
    finally:
        stop()


def create_topic(server, topic, partitions):
    server.ksql(f"CREATE STREAM \"{topic}\" (a VARCHAR) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='KAFKA', PARTITIONS={partitions});")


def produce(options, load):
    server = Server()
    before = cpu_s(server.process.pid)
    contenders = {"Tidemill, synced before each acknowledgement": produce_runs(options, server.addresses["kafka"], lambda topic, n: create_topic(server, topic, n))}
    used = cpu_s(server.process.pid) - before
    server.stop()
    if options.kafka:
        contenders["Apache Kafka, no sync"] = kafka_runs(options)
        contenders["Apache Kafka, flush.messages=1"] = kafka_runs(options, "log.flush.interval.messages=1")
    ours = next(iter(contenders.values()))
    rows = [{"broker": name, "partitions": n, "MB/s": run["mb_per_s"], "records/s": int(run["records_per_s"]), "Tidemill is": ours[n]["mb_per_s"] / run["mb_per_s"]}
            for name, runs in contenders.items() for n, run in runs.items()]
    results.record("Produce, 1 KiB, acks=all, idempotent, librdkafka", load, rows, f"CPU of the Tidemill process over its runs: {used:.1f} s.")


# capture

CAPTURED = """CREATE TABLE items (id bigserial PRIMARY KEY, a int NOT NULL, b int NOT NULL, name text NOT NULL, city text NOT NULL, note text NOT NULL,
  made timestamptz NOT NULL DEFAULT now(), price numeric(10,2) NOT NULL);
CREATE PUBLICATION bench FOR TABLE items;
CREATE PROCEDURE fill(transactions int, rows int) LANGUAGE plpgsql AS $$ BEGIN FOR t IN 1..transactions LOOP
  INSERT INTO items (a, b, name, city, note, price) SELECT n, t, 'item ' || n, 'Bremen', 'a note of forty characters or thereabout', n / 100.0 FROM generate_series(1, rows) n;
  COMMIT; END LOOP; END $$;"""


def drain_baseline(postgres, slot, end):
    command = [str(PG_BIN / "pg_recvlogical"), "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "postgres", "-d", "postgres", "--slot", slot, "--start", "-f", "/dev/null",
               "-o", "proto_version=1", "-o", "publication_names=bench", f"--endpos={end}", "--no-loop"]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return time.monotonic() - start


def drain_ours(server, end):
    """Seconds from exec to the last row, as pg_recvlogical's are, and CPU seconds."""
    began = time.monotonic()
    server.start()
    wait_for("all rows in the topic", lambda: end_offset(server, "shop.public.items") >= end, 300)
    return time.monotonic() - began, cpu_s(server.process.pid)


def capture_once(options, rows_in_transaction, transactions):
    postgres = Postgres({"max_wal_size": "8GB", "wal_keep_size": "8GB"})
    postgres.sql(CAPTURED)
    server = Server()
    connector(server, postgres, snapshot__mode="no_data")
    postgres.sql("CALL fill(1, 1)")
    wait_for("the first row", lambda: "shop.public.items" in server.kcat("-L").decode() and end_offset(server, "shop.public.items") == 1)
    server.stop()
    for slot in ("baseline_before", "baseline_after"):
        postgres.sql(f"SELECT pg_copy_logical_replication_slot('bench', '{slot}')")
    postgres.sql(f"CALL fill({transactions}, {rows_in_transaction})")
    end = postgres.sql("CHECKPOINT; SELECT pg_current_wal_lsn()")
    total = transactions * rows_in_transaction
    before = drain_baseline(postgres, "baseline_before", end)
    seconds, cpu = drain_ours(server, total + 1)
    after = drain_baseline(postgres, "baseline_after", end)
    harness.clean_up()
    ours, peer = total / seconds, 2 * total / (before + after)
    return {"rows a transaction": rows_in_transaction, "rows": total, "pg_recvlogical rows/s": int(peer), "its two runs": f"{total / before:,.0f}, {total / after:,.0f}",
            "Tidemill rows/s": int(ours), "share": ours / peer, "Tidemill CPU s": cpu}


def capture(options, load):
    sizes = [(1000, 600), (100, 4000), (1, 100_000), (300_000, 1)]
    rows = [capture_once(options, n, max(1, int(t * options.scale))) for n, t in sizes]
    results.record("Capture: draining a slot", load, rows, "Both from exec to the last row. Ours includes making Debezium JSON, lz4 and syncing it; pg_recvlogical throws the same stream away.")


# sql

STATEMENTS = {
    "filter": ("CREATE STREAM slow AS SELECT id, page, ms FROM events WHERE ms >= 900 EMIT CHANGES;", lambda server, n: end_offset(server, "SLOW", 4) >= n // 10),
    "grouped count, 10,000 groups": ("CREATE TABLE pages AS SELECT page, COUNT(*) AS n, SUM(ms) AS total FROM events GROUP BY page EMIT CHANGES;",
                                     lambda server, n: sum(c for c, in server.query("SELECT n FROM pages;")) >= n),
}


def sql(options, load):
    records = int(3_000_000 * options.scale) // 1000 * 1000
    rows = []
    for name, (statement, done) in STATEMENTS.items():
        server = Server()
        server.ksql("CREATE STREAM events (id BIGINT, user BIGINT, page VARCHAR, ms BIGINT, country VARCHAR) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=4);")
        size = driver(options, "produce", brokers=server.addresses["kafka"], topic="events", partitions=4, kind="events", records=records, compression="lz4")["bytes"]
        pid = server.process.pid
        cpu, start = cpu_s(pid), time.monotonic()
        server.ksql(statement, {"auto.offset.reset": "earliest"})
        wait_for(name, lambda: done(server, records), 300, 0.1)
        seconds, cpu = time.monotonic() - start, cpu_s(pid) - cpu
        rows.append({"query": name, "events": records, "bytes each": size / records, "events/s": int(records / seconds), "CPU s": cpu, "events per CPU second": int(records / cpu),
                     "memory MB": memory_mb(pid)})
        harness.clean_up()
    results.record("Streaming SQL over a JSON topic, from its beginning", load, rows,
                   "All threads of the server count, its answers to our looking included. Flink SQL on such a machine: filter 130,000-200,000, count 100,000 (peers as measured).")


# start

def start_once(server):
    began = time.monotonic()
    server.start(seconds=60)
    seconds = time.monotonic() - began
    server.kcat("-L")
    return seconds


def start(options, load):
    server = Server(start=False)
    empty = start_once(server)
    time.sleep(2)  # idle is what is measured
    idle = memory_mb(server.process.pid)
    create_topic(server, "filled", 16)
    driver(options, "produce", brokers=server.addresses["kafka"], topic="filled", partitions=16, records=int(1_000_000 * options.scale))
    server.kill()
    after_kill = start_once(server)
    server.stop()
    clean = start_once(server)
    time.sleep(2)
    rows = [{"start, empty s": empty, "idle memory MB": idle, "after kill -9 with 1 GB s": after_kill, "after a clean stop s": clean, "memory MB then": memory_mb(server.process.pid)}]
    results.record("Start and idle memory", load, rows)


ALL = {"start": start, "latency": latency, "produce": produce, "capture": capture, "sql": sql}
