"""TUMBLING windows: their bounds, their keys, late rows by stream time, what is kept."""

import struct

from mill import Mill

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def start(window, ahead="", more=""):
    server = Mill()
    server.run("CREATE STREAM clicks (page VARCHAR, at BIGINT, n INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', TIMESTAMP='at', PARTITIONS=1);"
               f"CREATE TABLE hits AS SELECT {ahead}page, COUNT(*) AS hits, SUM(n) AS total FROM clicks WINDOW TUMBLING ({window}) {more} GROUP BY page EMIT CHANGES;")
    return server


def click(server, *clicks):
    server.lines("clicks", [{"page": page, "at": at, "n": n} for page, at, n in clicks])


def test_rows_fall_into_the_window_of_their_time():
    server = start("SIZE 1 MINUTE", "WINDOWSTART AS ws, WINDOWEND AS we, ")
    click(server, ("a", 0, 1), ("a", 59_999, 2), ("a", MINUTE, 4), ("b", MINUTE + 1, 8), ("a", 30_000, 16))
    server.expect("SELECT page, WINDOWSTART, WINDOWEND, hits, total, ws, we FROM hits;",
                  [["a", 0, MINUTE, 3, 19, 0, MINUTE], ["a", MINUTE, 2 * MINUTE, 1, 4, MINUTE, 2 * MINUTE], ["b", MINUTE, 2 * MINUTE, 1, 8, MINUTE, 2 * MINUTE]])
    server.expect("SELECT hits FROM hits WHERE page = 'a' AND WINDOWSTART = 0;", [[3]])
    server.expect("SELECT hits FROM hits WHERE page = 'a' AND WINDOWSTART >= 60000 AND WINDOWEND <= 120000;", [[1]])
    server.expect("SELECT hits FROM hits WHERE page = 'a' AND WINDOWSTART >= '1970-01-01T00:01:00.000';", [[1]])
    keys = server.kcat("-C", "-t", "HITS", "-e", "-q", "-o", "beginning", "-f", "%k%T\n").split(b"\n")[:-1]
    assert keys == [b"a" + struct.pack(">q", w) + str(t).encode() for w, t in [(0, 0), (0, 59_999), (MINUTE, MINUTE)]] + \
        [b"b" + struct.pack(">q", MINUTE) + str(MINUTE + 1).encode(), b"a" + struct.pack(">q", 0) + b"59999"], keys
    header = server.push("SELECT * FROM hits EMIT CHANGES LIMIT 1;")
    assert header[0]["header"]["schema"] == "`PAGE` STRING, `WINDOWSTART` BIGINT, `WINDOWEND` BIGINT, `WS` BIGINT, `WE` BIGINT, `HITS` BIGINT, `TOTAL` INTEGER", header[0]
    assert header[1]["row"]["columns"] == ["a", 0, MINUTE, 0, MINUTE, 1, 1]


def test_by_default_a_row_is_late_when_stream_time_is_a_day_past_the_windows_start():
    server = start("SIZE 1 HOUR")
    click(server, ("a", 0, 1), ("b", DAY - 1, 1), ("a", 1, 2), ("b", DAY, 1), ("a", 2, 4), ("a", HOUR, 8))
    server.expect("SELECT page, WINDOWSTART, total FROM hits WHERE page = 'b';", [["b", DAY - HOUR, 1], ["b", DAY, 1]])
    assert [(v["HITS"], v["TOTAL"]) for v in server.wait_values("HITS", 5)] == [(1, 1), (1, 1), (2, 3), (1, 1), (1, 8)]


def test_grace_decides_what_is_late_by_stream_time_and_not_by_the_clock():
    server = start("SIZE 1 MINUTE, GRACE PERIOD 10 SECONDS")
    click(server, ("a", 1, 1), ("b", MINUTE + 9_999, 1), ("a", 2, 2), ("c", MINUTE + 10_000, 1), ("a", 3, 4), ("b", MINUTE, 1))
    server.expect("SELECT page, WINDOWSTART, hits, total FROM hits;", [["a", 0, 2, 3], ["b", MINUTE, 2, 2], ["c", MINUTE, 1, 1]])


def test_windows_beyond_their_retention_are_let_go_and_the_memory_with_them():
    server = start("SIZE 1 MINUTE, RETENTION 2 DAYS, GRACE PERIOD 0 SECONDS")
    click(server, *[(f"p{n}", n * HOUR, n) for n in range(100)])
    server.expect("SELECT WINDOWSTART FROM hits WHERE WINDOWSTART = %d;" % (99 * HOUR), [[99 * HOUR]])
    click(server, ("last", 100 * HOUR, 1))
    server.expect("SELECT page FROM hits WHERE page = 'last';", [["last"]])
    starts = sorted(start for start, in server.query("SELECT WINDOWSTART FROM hits;"))
    assert 50 * HOUR <= starts[0] <= 53 * HOUR and starts[-1] == 100 * HOUR and len(starts) == (starts[-1] - starts[0]) // HOUR + 1, starts
    assert len(server.records("HITS", "%o\n").splitlines()) == 101  # the topic keeps them
    click(server, ("p1", HOUR, 7))  # long closed
    click(server, ("p100", 100 * HOUR, 5))
    server.expect("SELECT total FROM hits WHERE page = 'p100';", [[5]])
    assert server.query("SELECT * FROM hits WHERE page = 'p1';") == []


def test_the_last_time_there_is_makes_a_window_and_does_no_harm():
    server = start("SIZE 1 DAY, GRACE PERIOD 0 SECONDS")
    click(server, ("a", 5, 1), ("end", 2**63 - 1, 2), ("late", 7, 4))
    server.expect("SELECT page, total FROM hits WHERE page <> 'a';", [["end", 2]])
    assert server.query("SELECT WINDOWEND FROM hits WHERE page = 'end';") == [[2**63 - 1]]
    assert [v["TOTAL"] for v in server.values("HITS")] == [1, 2]


def test_windowed_aggregates_know_min_and_max_and_having():
    server = Mill()
    server.run("CREATE STREAM clicks (page VARCHAR, n INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);"
               "CREATE TABLE most AS SELECT page, MIN(n) AS low, MAX(n) AS high, AVG(n) AS mean FROM clicks WINDOW TUMBLING (SIZE 10 SECONDS) WHERE n <> 0 GROUP BY page HAVING MAX(n) > 5 EMIT CHANGES;")
    server.run("; ".join(f"INSERT INTO clicks (ROWTIME, page, n) VALUES ({at}, '{page}', {n})" for at, page, n in [(1, "a", 3), (2, "a", 9), (3, "b", 1), (4, "a", 0), (10_000, "a", 6)]) + ";")
    server.expect("SELECT page, WINDOWSTART, low, high, mean FROM most;", [["a", 0, 3, 9, 6.0], ["a", 10_000, 6, 6, 6.0]])
    assert server.values("MOST") == [{"LOW": 3, "HIGH": 9, "MEAN": 6.0}, {"LOW": 6, "HIGH": 6, "MEAN": 6.0}]


def test_windows_that_make_no_sense_are_refused():
    server = start("SIZE 1 HOUR")
    for text, said in [("CREATE TABLE x AS SELECT page, COUNT(*) FROM clicks WINDOW TUMBLING (SIZE 0 SECONDS) GROUP BY page EMIT CHANGES;", "greater than zero"),
                       ("CREATE STREAM x AS SELECT page FROM clicks WINDOW TUMBLING (SIZE 1 SECOND) EMIT CHANGES;", "GROUP BY"),
                       ("CREATE TABLE x AS SELECT page, COUNT(*) FROM clicks WINDOW HOPPING (SIZE 2 SECONDS, ADVANCE BY 1 SECOND) GROUP BY page EMIT CHANGES;", "HOPPING"),
                       ("CREATE TABLE x AS SELECT page, COUNT(*) FROM clicks WINDOW SESSION (2 SECONDS) GROUP BY page EMIT CHANGES;", "SESSION"),
                       ("CREATE TABLE x AS SELECT page, COUNT(*) FROM clicks WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 1 MINUTE) GROUP BY page EMIT CHANGES;", "RETENTION"),
                       ("CREATE TABLE x AS SELECT * FROM hits EMIT CHANGES;", "windowed tables"), ("INSERT INTO hits (page) VALUES ('x');", "windowed")]:
        assert said in server.refused(text)["message"], text
