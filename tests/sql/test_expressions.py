"""What expressions answer, through a push query over one JSON record: NULLs, overflow, division, casts, CASE, LIKE, IN, BETWEEN, STRUCT."""

import json

from harness import wait_for
from mill import Mill


def test_comparisons_with_null_are_false_and_not_turns_them_true():
    found = Mill().compute(["a = 1", "a <> 1", "NOT (a = 1)", "a IN (1, 2)", "NOT (a IN (1, 2))", "b IN (1, NULL)", "b IN (7, NULL)", "a BETWEEN 1 AND 2", "b BETWEEN 1 AND a",
                            "NOT (a BETWEEN 1 AND 2)", "s LIKE '%'", "a IS NULL", "b IS NOT NULL", "a IS DISTINCT FROM b", "a IS NOT DISTINCT FROM b",
                            "a = 1 OR b = 7", "a = 1 AND b = 7"], "a INT, b INT, s VARCHAR", {"b": 7})
    assert found == [False, False, True, False, True, False, True, False, False, True, False, True, True, True, False, True, False], found


def test_case_asks_in_order_and_only_what_it_needs():
    found = Mill().compute(["CASE WHEN a = 1 THEN 'null is not one' WHEN b > 5 THEN 'big' ELSE 'small' END", "CASE b WHEN 7 THEN 'seven' END", "CASE b WHEN 8 THEN 'eight' END",
                            "CASE WHEN b = 7 THEN 1 ELSE 1 / 0 END", "CASE WHEN a IS NULL THEN NULL ELSE a END", "CASE WHEN b > 5 THEN 1.5 ELSE 2 END"],
                           "a INT, b INT", {"b": 7})
    assert found == ["big", "seven", None, 1, None, 1.5], found


def test_like_knows_percent_underscore_and_escape():
    found = Mill().compute(["s LIKE 'ti%'", "s LIKE '%mi__'", "s LIKE 'tide'", "s LIKE '%DE%'", "'50%' LIKE '50!%' ESCAPE '!'", "'500' LIKE '50!%' ESCAPE '!'", "s NOT LIKE 'x%'",
                            "'größe' LIKE 'gr___'", "'' LIKE '%'", "'' LIKE '_'"], "s VARCHAR", {"s": "tidemill"})
    assert found == [True, True, False, False, True, False, True, True, True, False], found


def test_whole_numbers_wrap_and_division_by_zero_is_null():
    found = Mill().compute(["i + 1", "l + 1", "l * 2", "-i - 2", "i / 2", "-7 / 2", "-7 % 3", "i / z", "l % z", "d / z", "d / 0.0e0", "z / (z * 1.0e0)", "CAST(l AS INT)", "ABS(-i)"],
                           "i INT, l BIGINT, d DECIMAL(5,2), z INT", {"i": 2147483647, "l": 9223372036854775807, "d": 1.5, "z": 0})
    assert found[:9] == [-2147483648, -9223372036854775808, -2, 2147483647, 1073741823, -3, -1, None, None], found
    assert found[9] is None and found[10] == "Infinity" and found[11] == "NaN", found
    assert found[12:] == [-1, 2147483647], found


def test_decimals_are_exact_and_what_does_not_fit_is_null():
    server = Mill()
    server.run("CREATE STREAM d (a DECIMAL(6,2), b DECIMAL(4,3)) WITH (KAFKA_TOPIC='d', VALUE_FORMAT='JSON', PARTITIONS=1);")
    server.put("d", '{"a": 1234.10, "b": "0.125"}')
    text = server.push("SELECT a + b AS s, a * b AS p, a - 0.1 AS m, CAST(a AS DECIMAL(4,1)) AS narrow, a > b AS bigger, CAST(b AS DOUBLE) AS r, a / 3 AS q FROM d EMIT CHANGES LIMIT 1;")
    assert text[0]["header"]["schema"].startswith("`S` DECIMAL(8, 3), `P` DECIMAL(11, 5), `M` DECIMAL(7, 2), `NARROW` DECIMAL(4, 1)"), text[0]
    assert [str(c) for c in text[1]["row"]["columns"]] == ["1234.225", "154.2625", "1234.0", "None", "True", "0.125", "None"], text[1]


def test_doubles_print_as_java_prints_them():
    server = Mill()
    server.run("CREATE STREAM d (v DOUBLE) WITH (KAFKA_TOPIC='d', VALUE_FORMAT='JSON', PARTITIONS=1); CREATE STREAM out AS SELECT v, v * 1.0e0 AS same FROM d EMIT CHANGES;")
    shown = {"55": "55.0", "1e10": "1.0E10", "0.001": "0.001", "0.0001": "1.0E-4", "1e7": "1.0E7", "9999999": "9999999.0", "-0.0": "-0.0", "1e-320": "1.0E-320", "123456.789": "123456.789",
             "1.7976931348623157e308": "1.7976931348623157E308", "0.1": "0.1", "5e22": "5.0E22", "-2.5e-7": "-2.5E-7"}
    for given in shown:
        server.put("d", '{"v": %s}' % given)
    wait_for("the rows", lambda: len(server.records("OUT").splitlines()) == len(shown))
    found = server.records("OUT", "%s\n").splitlines()
    wanted = ['{"V":%s,"SAME":%s}' % (v, v) for v in shown.values()]
    # 1e-320 is subnormal: Java's own digits differ, what counts is that it reads back as the same number
    assert [json.loads(line) for line in found] == [json.loads(line) for line in wanted]
    assert [f for f, g in zip(found, shown) if "320" not in g] == [w for w, g in zip(wanted, shown) if "320" not in g], found


def test_a_cast_that_fails_is_null_and_what_is_around_it_goes_on():
    found = Mill().compute(["CAST('12' AS INT)", "CAST(s AS INT)", "CAST(s AS BIGINT) IS NULL", "CAST(' 7 ' AS BIGINT)", "CAST('3000000000' AS INT)", "CAST('1.5' AS DOUBLE)", "CAST('NaN' AS DOUBLE)",
                            "CAST('yes' AS BOOLEAN)", "CAST('maybe' AS BOOLEAN)", "CAST(2.99e0 AS INT)", "CAST(1e30 AS BIGINT)", "CAST('2026-11-21T12:30' AS TIMESTAMP)", "CAST(s AS DATE)",
                            "CAST(true AS VARCHAR)", "CAST(1.50 AS VARCHAR)", "CAST(1e10 AS VARCHAR)", "CAST('12.345' AS DECIMAL(4,2))", "CAST('123.4' AS DECIMAL(4,2))", "COALESCE(CAST(s AS INT), -1)"],
                           "s VARCHAR", {"s": "twelve"})
    assert found == [12, None, True, 7, None, 1.5, None, True, False, 2, 9223372036854775807, "2026-11-21T12:30:00.000", None, "true", "1.50", "1.0E10", 12.35, None, -1], found


def test_struct_fields_arrays_and_maps_are_reached():
    record = {"s": {"x": 1, "in": {"y": "deep"}, "list": [{"z": 5}, {"z": 6}]}, "m": {"k": 9}, "n": None}
    declared = "s STRUCT<x INT, `in` STRUCT<y VARCHAR>, list ARRAY<STRUCT<z INT>>>, m MAP<VARCHAR, INT>, n STRUCT<x INT>, a ARRAY<INT>"
    found = Mill().compute(["s->x + 1", "s->`in`->y", "s->list[1]->z", "s->list[-1]->z", "s->list[3]->z", "s->list[0]", "m['k']", "m['none']", "n->x", "n", "a[1]", "s->`in`"], declared, record)
    assert found == [2, "deep", 5, 6, None, None, 9, None, None, None, None, {"Y": "deep"}], found


def test_functions_answer_their_examples():
    examples = [("UCASE('tide')", "TIDE"), ("LCASE('TIDE')", "tide"), ("LEN('mill')", 4), ("TRIM('  a ')", "a"), ("SUBSTRING('stream', 2, 3)", "tre"), ("SUBSTRING('stream', -3)", "eam"),
                ("CONCAT('a', NULL, 'c')", "ac"), ("'a' || 'b'", "ab"), ("REPLACE('a-b', '-', '+')", "a+b"), ("LPAD('7', 3, '0')", "007"), ("RPAD('7', 3, '.')", "7.."), ("INSTR('water', 't')", 3),
                ("SPLIT('a,b,', ',')", ["a", "b", ""]), ("ABS(-3)", 3), ("CEIL(1.2)", 2), ("FLOOR(-1.2)", -2), ("ROUND(2.5e0)", 3), ("ROUND(-2.5e0)", -2), ("SQRT(9)", 3), ("POWER(2, 10)", 1024), ("SIGN(-7)", -1),
                ("COALESCE(NULL, 'a')", "a"), ("IFNULL(NULL, 7)", 7), ("NULLIF(1, 1)", None), ("GREATEST(1, 5, 3)", 5), ("LEAST(4, 2, 3)", 2), ("EXTRACTJSONFIELD('{\"a\":[1,{\"b\":2}]}', '$.a[1].b')", "2"),
                ("EXTRACTJSONFIELD('{broken', '$.a')", None), ("FROM_UNIXTIME(0)", "1970-01-01T00:00:00.000"), ("FORMAT_TIMESTAMP(FROM_UNIXTIME(0), 'yyyy-MM-dd HH:mm')", "1970-01-01 00:00"),
                ("UNIX_TIMESTAMP(FROM_UNIXTIME(5))", 5), ("LEN('\U0001F30A')", 2)]
    found = Mill().compute([call for call, _ in examples])
    for (call, wanted), value in zip(examples, found):
        assert value == wanted, (call, wanted, value)


def test_functions_cannot_make_a_text_that_eats_the_memory():
    found = Mill().compute(["LEN(RPAD('a', 4000000, 'b'))", "RPAD('a', 2147483647, 'b')", "REPLACE(RPAD('', 3000000, 'a'), 'a', RPAD('', 3000000, 'b'))", "LEN('goes on')"])
    assert found == [4000000, None, None, 7], found


def test_types_are_written_as_ksqldb_writes_them():
    server = Mill()
    server.run("CREATE STREAM t (b BOOLEAN, i INT, l BIGINT, r DOUBLE, d DECIMAL(5,2), s VARCHAR, y BYTES, dt DATE, tm TIME, ts TIMESTAMP) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1);"
               "CREATE STREAM copy AS SELECT * FROM t EMIT CHANGES;")
    server.put("t", '{"b":true,"i":"5","l":1,"r":1,"d":"1.5","s":"é\\n","y":"AQI=","dt":20778,"tm":45000000,"ts":1795177800000}')
    assert server.push("SELECT * FROM t EMIT CHANGES LIMIT 1;")[1]["row"]["columns"] == \
        [True, 5, 1, 1.0, 1.5, "é\n", "AQI=", "2026-11-21", "12:30", "2026-11-20T12:30:00.000"]
    wait_for("the copy", lambda: server.records("COPY"))
    assert server.records("COPY", "%s") == '{"B":true,"I":5,"L":1,"R":1.0,"D":1.50,"S":"é\\n","Y":"AQI=","DT":20778,"TM":45000000,"TS":1795177800000}'
