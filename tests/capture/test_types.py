"""Every type, as Debezium writes it, word for word: golden/types_*.json. Copied rows and streamed ones must say the same."""

import json
import os
import pathlib

import topics
from harness import Postgres, Server, wait_for

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"

# Column, type, a plain value, one at the edge.
COLUMNS = [
    ("i2", "smallint", "-32768", "32767"),
    ("i4", "integer", "-2147483648", "2147483647"),
    ("i8", "bigint", "-9223372036854775808", "9223372036854775807"),
    ("f4", "real", "1.5", "'-Infinity'"),
    ("f8", "double precision", "0.1", "1e300"),
    ("n", "numeric", "12345.678900", "-0.000000000000000000001"),
    ("n10_2", "numeric(10,2)", "2.50", "-12345678.90"),
    ("n38", "numeric(38,0)", "1", "99999999999999999999999999999999999999"),
    ("money", "money", "12.34", "-0.01"),
    ("b", "boolean", "true", "false"),
    ("t", "text", "'tea'", "E'quote \" back \\\\ tab \\t line \\n null-ish \\u0001 smile \\U0001F600'"),
    ("v", "varchar(20)", "'milk'", "''"),
    ("c", "char(3)", "'a'", "'abc'"),
    ("u", "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"),
    ("j", "json", "'{\"a\":  [1, 2]}'", "'null'"),
    ("jb", "jsonb", "'{\"b\":1,\"a\":\"x\"}'", "'[]'"),
    ("x", "bytea", "'\\x00ff10'", "''"),
    ("d", "date", "'2024-02-29'", "'1969-12-31'"),
    ("ti", "time", "'13:51:30.123456'", "'24:00:00'"),
    ("ti0", "time(0)", "'13:51:30'", "'00:00:00'"),
    ("tiz", "timetz", "'13:51:30.5+02'", "'00:00:00-05:30'"),
    ("ts", "timestamp", "'2024-02-29 12:00:00.123456'", "'1900-01-01 00:00:00'"),
    ("ts3", "timestamp(3)", "'2024-02-29 12:00:00.123'", "'9999-12-31 23:59:59.999'"),
    ("tz", "timestamptz", "'2024-02-29 12:00:00.5+02'", "'1969-12-31 23:59:59.999999+00'"),
    ("iv", "interval", "'1 year 2 mons 3 days 04:05:06.7'", "'-1 second'"),
    ("mood", "mood", "'ok'", "'so so'"),
    ("price", "price", "9.5", "-0.01"),
    ("b1", "bit(1)", "'1'", "'0'"),
    ("b12", "bit(12)", "'101010101010'", "'000000000001'"),
    ("ai", "integer[]", "'{1,NULL,3}'", "'{}'"),
    ("at", "text[]", "'{\"a b\",c,\"q\\\"\"}'", "'{NULL}'"),
    ("ip", "inet", "'10.0.0.1'", "'::1/64'"),
    ("r", "tsrange", "'[2024-01-01,2024-01-02)'", "'empty'"),
    ("m", "mood[]", "'{ok,sad}'", "'{}'"),
]


def insert(first):
    return "\n".join(f"INSERT INTO types VALUES ({first + i}, {', '.join(row)});" for i, row in enumerate(
        [[c[2] for c in COLUMNS], [c[3] for c in COLUMNS], ["NULL"] * len(COLUMNS)]))


def check(name, value):
    file = GOLDEN / f"{name}.json"
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("TIDEMILL_GOLDEN") == "write":
        file.write_text(text)
    expected = json.loads(file.read_text())
    assert value == expected, {k: (value.get(k), expected.get(k)) for k in value.keys() | expected.keys() if value.get(k) != expected.get(k)}



def test_every_type_is_written_as_debezium_writes_it_whether_copied_or_streamed():
    postgres, server = Postgres(), Server()
    postgres.sql("CREATE TYPE mood AS ENUM ('sad', 'so so', 'ok'); CREATE DOMAIN price AS numeric(8,2);"
                 f"CREATE TABLE types (id int PRIMARY KEY, {', '.join(f'{c[0]} {c[1]}' for c in COLUMNS)});" + insert(1))
    modes = ("precise", "string", "double")
    for mode in modes:
        server.connector(mode, postgres.connector_config(key__converter__schemas__enable="false", decimal__handling__mode=mode, topic__prefix=mode, slot__name=mode,
                                                         value__converter__schemas__enable="true" if mode == "precise" else "false"))
    for mode in modes:
        topics.wait_until_streaming(server, mode)
    postgres.sql(insert(4))
    for mode in modes:
        wait_for(f"all rows of {mode}", lambda: topics.end_offset(server, f"{mode}.public.types") == 6)
        rows = [r.value.get("payload", r.value)["after"] for r in topics.read(server, f"{mode}.public.types")]
        assert [row.pop("id") for row in rows] == [1, 2, 3, 4, 5, 6]
        assert rows[:3] == rows[3:], "copied and streamed rows differ"
        assert set(rows[2].values()) == {None}
        check(f"types_{mode}", {f"{name} {kind}": [rows[0][name], rows[1][name]] for name, kind, *_ in COLUMNS})
    schema = topics.read(server, "precise.public.types")[0].value["schema"]["fields"][1]["fields"]
    check("types_schema", {f.pop("field"): f for f in schema})


def test_times_as_connect_types_and_intervals_as_text():
    postgres, server = Postgres(), Server()
    postgres.sql("CREATE TABLE t (id int PRIMARY KEY, d date, ti time, ts timestamp, iv interval);"
                 "INSERT INTO t VALUES (1, '2024-02-29', '13:51:30.123456', '2024-02-29 12:00:00.123456', '1 year 2 mons 3 days 04:05:06.7')")
    server.connector("shop", postgres.connector_config(**topics.PLAIN, time__precision__mode="connect", interval__handling__mode="string"))
    row = topics.wait_for_records(server, "shop.public.t", 1)[0].value["after"]
    assert row == {"id": 1, "d": 19782, "ti": 49890123, "ts": 1709208000123, "iv": "P1Y2M3DT4H5M6.7S"}
