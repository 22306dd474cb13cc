#include <gtest/gtest.h>

#include "sql/plan_text.h"
#include "sql/sql_test_catalog.h"

using namespace tidemill;
using namespace tidemill::sql;

namespace {

Result<QueryPlan> bound_plan(std::string_view text) {
  static const TestCatalog catalog;
  TRY_ASSIGN(all, parse(text));
  if (auto* create = std::get_if<CreateAs>(&all[0].body)) return bind_create_as(*create, catalog, all[0].text);
  auto& select = std::get<Select>(all[0].body);
  return bind_query(select, catalog, {select.emit_changes ? QueryForm::push : QueryForm::pull});
}

std::string plan_of(std::string_view text) {
  auto plan = bound_plan(text);
  return plan ? plan_text(*plan) : "error: " + plan.error().text();
}

std::string error_of(std::string_view text) {
  auto plan = bound_plan(text);
  return plan ? "bound" : plan.error().message;
}

// The one output of SELECT <expression>.
std::string expression(std::string_view text) {
  auto plan = bound_plan("SELECT " + std::string(text) + " AS X FROM ORDERS EMIT CHANGES;");
  if (!plan) return "error: " + plan.error().message;
  return expr_text(*plan->outputs[0].expr) + " " + plan->outputs[0].type.text();
}

struct Case {
  std::string_view sql, expected;
};

}  // namespace

TEST(bind, a_projection_with_a_filter_keeps_the_key_first) {
  EXPECT_EQ(plan_of("CREATE STREAM BIG AS SELECT QTY, ID, PRICE * 2 AS DOUBLE_PRICE FROM ORDERS WHERE TOTAL > 5 EMIT CHANGES;"),
            "from ORDERS\n"
            "where greater(#5, 5:BIGINT)\n"
            "key `ID` INTEGER = #0\n"
            "value `QTY` INTEGER = #3\n"
            "value `DOUBLE_PRICE` DOUBLE = multiply(#4, 2E0:DOUBLE)\n"
            "result stream\n"
            "into BIG topic BIG key KAFKA value JSON\n");
}

TEST(bind, a_windowed_aggregation_reads_groups_then_aggregates_then_bounds) {
  EXPECT_EQ(plan_of("CREATE TABLE T WITH (KAFKA_TOPIC='t_out', PARTITIONS=3) AS SELECT CUSTOMER, COUNT(*) AS N, SUM(QTY) + 1 AS S, WINDOWSTART AS WS FROM ORDERS"
                    " WINDOW TUMBLING (SIZE 10 MINUTES) WHERE PAID GROUP BY CUSTOMER HAVING COUNT(*) > 1 AND AVG(AMOUNT) > 2;"),
            "from ORDERS\n"
            "where #6\n"
            "window 600000 ms, grace 85800000 ms\n"
            "group by #1\n"
            "aggregate COUNT(*) BIGINT\n"
            "aggregate SUM(#3) INTEGER\n"
            "aggregate AVG(#2:DOUBLE) DOUBLE\n"
            "having and(greater(#1, 1:BIGINT), greater(#3, 2E0:DOUBLE))\n"
            "key `CUSTOMER` STRING = #0\n"
            "value `N` BIGINT = #1\n"
            "value `S` INTEGER = add(#2, 1:INTEGER)\n"
            "value `WS` BIGINT = #4\n"
            "result table\n"
            "into T topic t_out key KAFKA value JSON window 600000 ms\n");
}

TEST(bind, push_and_pull_keep_the_order_of_the_select) {
  EXPECT_EQ(plan_of("SELECT QTY, ID, ROWTIME FROM ORDERS EMIT CHANGES LIMIT 3;"),
            "from ORDERS\nvalue `QTY` INTEGER = #3\nkey `ID` INTEGER = #0\nvalue `ROWTIME` BIGINT = #12\nlimit 3\nresult stream\n");
  EXPECT_EQ(plan_of("SELECT * FROM HOURLY WHERE CUSTOMER = 'a' AND WINDOWSTART >= '2020-01-01';"),
            "from HOURLY\nwhere and(equal(#0, 'a':STRING), greater_equal(#5, 1577836800000:BIGINT))\n"
            "key `CUSTOMER` STRING = #0\nkey `WINDOWSTART` BIGINT = #5\nkey `WINDOWEND` BIGINT = #6\nvalue `N` BIGINT = #1\nresult table\n");
}

TEST(bind, expressions_meet_in_one_type_and_literals_are_converted_at_once) {
  for (auto [sql, expected] : std::vector<Case>{
           {"QTY + TOTAL", "add(#3:BIGINT, #5) BIGINT"},
           {"AMOUNT + QTY", "add(#2, #3:DECIMAL(10, 0)) DECIMAL(13, 2)"},
           {"AMOUNT * AMOUNT", "multiply(#2, #2) DECIMAL(21, 4)"},
           {"AMOUNT / AMOUNT", "divide(#2, #2) DECIMAL(23, 13)"},
           {"AMOUNT % 3.5", "modulo(#2, 3.5:DECIMAL(2, 1)) DECIMAL(3, 2)"},
           {"AMOUNT * PRICE", "multiply(#2:DOUBLE, #4) DOUBLE"},
           {"-QTY - -5", "subtract(negate(#3), -5:INTEGER) INTEGER"},
           {"CUSTOMER + 'x' || 'y'", "concat(concat(#1, 'x':STRING), 'y':STRING) STRING"},
           {"AMOUNT > 1", "greater(#2, 1.00:DECIMAL(12, 2)) BOOLEAN"},
           {"PRICE < 2.0", "less(#4, 2E0:DOUBLE) BOOLEAN"},
           {"AT > '2020-05'", "greater(#7, 1588291200000:TIMESTAMP) BOOLEAN"},
           {"DAY = DATE '1970-01-02'", "equal(#8, 1:DATE) BOOLEAN"},
           {"ROWTIME >= '1970-01-01T00:00:01+01:00'", "greater_equal(#12, -3599000:BIGINT) BOOLEAN"},
           {"QTY NOT IN (1, '2', NULL)", "not(in(#3, 1:INTEGER, 2:INTEGER, null:INTEGER)) BOOLEAN"},
           {"QTY BETWEEN 1 AND 2.5", "between(#3:DECIMAL(11, 1), 1.0:DECIMAL(11, 1), 2.5:DECIMAL(2, 1)) BOOLEAN"},
           {"CUSTOMER LIKE 'a!%%' ESCAPE '!'", "like(#1, 'a!%%':STRING, '!':STRING) BOOLEAN"},
           {"CASE QTY WHEN 1 THEN 'one' ELSE NULL END", "case(equal(#3, 1:INTEGER), 'one':STRING, null:STRING) STRING"},
           {"CASE WHEN PAID THEN 1 WHEN NOT PAID THEN TOTAL END", "case(#6, 1:BIGINT, not(#6), #5) BIGINT"},
           {"TAGS[QTY]", "element(#9, #3:BIGINT) STRING"},
           {"ATTRS['a'] + 1", "add(element(#10, 'a':STRING), 1:INTEGER) INTEGER"},
           {"ADDRESS->ZIP", "#11.1 INTEGER"},
           {"ORDERS.ADDRESS->CITY IS NOT NULL", "is_not_null(#11.0) BOOLEAN"},
           {"CAST(QTY AS STRING)", "#3:STRING STRING"},
           {"1 + 2 * 3 - 4", "subtract(add(1:INTEGER, multiply(2:INTEGER, 3:INTEGER)), 4:INTEGER) INTEGER"},
           {"PAID OR NOT PAID AND QTY = 1", "or(#6, and(not(#6), equal(#3, 1:INTEGER))) BOOLEAN"},
           {"QTY IS DISTINCT FROM TOTAL", "distinct_from(#3:BIGINT, #5) BOOLEAN"},
           {"SQRT(QTY)", "SQRT(#3:DOUBLE) DOUBLE"},
           {"ROUND(AMOUNT)", "ROUND(#2) DECIMAL(8, 0)"},
           {"ROUND(AMOUNT, 1)", "ROUND(#2, 1:INTEGER) DECIMAL(10, 2)"},
           {"FLOOR(AMOUNT)", "FLOOR(#2) DECIMAL(10, 2)"},
           {"COALESCE(NULL, QTY, TOTAL)", "COALESCE(null:BIGINT, #3:BIGINT, #5) BIGINT"},
           {"IFNULL(CUSTOMER, 'none')", "IFNULL(#1, 'none':STRING) STRING"},
           {"GREATEST(QTY, 5)", "GREATEST(#3, 5:INTEGER) INTEGER"},
           {"SPLIT(CUSTOMER, ',')[1]", "element(SPLIT(#1, ',':STRING), 1:BIGINT) STRING"},
           {"3000000000", "3000000000:BIGINT BIGINT"},
           {"1.5E3", "1500E0:DOUBLE DOUBLE"},
           {"0.05", "0.05:DECIMAL(2, 2) DECIMAL(2, 2)"}}) {
    EXPECT_EQ(expression(sql), expected) << sql;
  }
}

TEST(bind, wrong_expressions_say_where_and_what) {
  for (auto [sql, expected] : std::vector<Case>{
           {"UNKNOWN", "error: Line: 1, Col: 8: SELECT column 'UNKNOWN' cannot be resolved."},
           {"O.BOB", "error: Line: 1, Col: 8: SELECT column 'O.BOB' cannot be resolved."},
           {"ADDRESS < ADDRESS", "error: Line: 1, Col: 16: Cannot compare ADDRESS (STRUCT<`CITY` STRING, `ZIP` INTEGER>) to ADDRESS (STRUCT<`CITY` STRING, `ZIP` INTEGER>) with LESS_THAN."},
           {"QTY = 'x'", "error: Line: 1, Col: 12: Cannot compare QTY (INTEGER) to 'x' (STRING) with EQUAL."},
           {"NULL <> NULL", "error: Line: 1, Col: 13: Comparison with NULL not supported: NULL <> NULL"},
           {"QTY IN (1, CUSTOMER)", "error: Line: 1, Col: 12: Invalid Predicate: operator does not exist: INTEGER = STRING (CUSTOMER)."},
           {"QTY IN (10, '10 - not a number')", "error: Line: 1, Col: 12: Invalid Predicate: invalid input syntax for type INTEGER: \"10 - not a number\"."},
           {"CAST(CUSTOMER AS ARRAY<INT>)", "error: Line: 1, Col: 8: Invalid Select: Cast of STRING to ARRAY<INTEGER> is not supported"},
           {"NOSUCH(1)", "error: Line: 1, Col: 8: Can't find any functions with the name 'NOSUCH'"},
           {"LN(CUSTOMER)", "error: Line: 1, Col: 8: Function 'LN' does not accept parameters (STRING).\nValid alternatives are:\nLN(DOUBLE)"},
           {"GREATEST(QTY, TOTAL)", "error: Line: 1, Col: 8: Function 'GREATEST' cannot be resolved due to ambiguous method parameters (INTEGER, BIGINT)."},
           {"CASE WHEN PAID THEN NULL ELSE NULL END", "error: Line: 1, Col: 8: Invalid Case expression. All case branches have NULL type"},
           {"ADDRESS->NOPE", "error: Line: 1, Col: 15: Could not find field 'NOPE' in 'ADDRESS'."},
           {"CUSTOMER * 2", "error: Line: 1, Col: 17: Unsupported arithmetic types: CUSTOMER (STRING) MULTIPLY 2 (INTEGER)"},
           {"DATE '2020-13-01'", "error: Line: 1, Col: 8: invalid input syntax for type DATE: \"2020-13-01\""}}) {
    EXPECT_EQ(expression(sql), expected) << sql;
  }
}

TEST(bind, wrong_queries_say_where_and_what) {
  for (auto [sql, expected] : std::vector<Case>{
           {"SELECT * FROM NOPE EMIT CHANGES;", "Line: 1, Col: 15: NOPE does not exist."},
           {"SELECT * FROM ORDERS WHERE QTY EMIT CHANGES;", "Line: 1, Col: 28: Type error in WHERE expression: Should evaluate to boolean but is QTY (INTEGER) instead."},
           {"SELECT * FROM ORDERS WHERE CUSTOMER > 5 EMIT CHANGES;", "Line: 1, Col: 37: Error in WHERE expression: Cannot compare CUSTOMER (STRING) to 5 (INTEGER) with GREATER_THAN."},
           {"CREATE TABLE X AS SELECT CUSTOMER, COUNT(*) FROM ORDERS GROUP BY CUSTOMER HAVING SUM(QTY) > '100';", "Line: 1, Col: 91: Error in HAVING expression: Cannot compare SUM(QTY) (INTEGER) to '100' (STRING) with GREATER_THAN."},
           {"CREATE STREAM X AS SELECT QTY FROM ORDERS;", "Line: 1, Col: 36: The query used to build `X` must include the key column ID in its projection (eg, SELECT ID...)."},
           {"CREATE STREAM X AS SELECT ID FROM ORDERS;", "Line: 1, Col: 35: The projection contains no value columns."},
           {"CREATE STREAM X AS SELECT ID, ID AS ID2, QTY FROM ORDERS;", "Line: 1, Col: 31: The projection contains a key column (`ID`) more than once, aliased as: ID and ID2."},
           {"CREATE STREAM X AS SELECT ID, ROWTIME FROM ORDERS;", "Line: 1, Col: 31: Reserved column name in select: `ROWTIME`. Please remove or alias the column."},
           {"CREATE STREAM X AS SELECT ID, QTY AS ROWTIME FROM ORDERS;", "Line: 1, Col: 31: `ROWTIME` is a reserved column name. You cannot use it as an alias for a column."},
           {"CREATE STREAM X AS SELECT CUSTOMER, COUNT(*) FROM ORDERS GROUP BY CUSTOMER;", "Invalid result type. Your SELECT query produces a TABLE. Please use CREATE TABLE AS SELECT statement instead."},
           {"CREATE TABLE X AS SELECT * FROM ORDERS;", "Invalid result type. Your SELECT query produces a STREAM. Please use CREATE STREAM AS SELECT statement instead."},
           {"CREATE TABLE X AS SELECT COUNT(*) AS N FROM ORDERS GROUP BY CUSTOMER;", "Line: 1, Col: 45: The query used to build `X` must include the grouping expression CUSTOMER in its projection (eg, SELECT CUSTOMER...)."},
           {"CREATE TABLE X AS SELECT QTY, CUSTOMER, COUNT(*) FROM ORDERS GROUP BY CUSTOMER;", "Line: 1, Col: 55: Non-aggregate SELECT expression(s) not part of GROUP BY: QTY\nEither add the column(s) to the GROUP BY or remove them from the SELECT."},
           {"CREATE TABLE X AS SELECT CUSTOMER FROM ORDERS GROUP BY CUSTOMER;", "Line: 1, Col: 40: GROUP BY requires aggregate functions in either the SELECT or HAVING clause."},
           {"CREATE TABLE X AS SELECT CUSTOMER, SUM(COUNT(*)) FROM ORDERS GROUP BY CUSTOMER;", "Line: 1, Col: 40: Aggregate functions can not be nested: COUNT is inside another one"},
           {"CREATE TABLE X AS SELECT COUNT(*) FROM ORDERS GROUP BY SUM(QTY);", "Line: 1, Col: 56: GROUP BY does not support aggregate functions: SUM is an aggregate function."},
           {"SELECT COUNT(*) FROM ORDERS EMIT CHANGES;", "Line: 1, Col: 22: Use of aggregate functions requires a GROUP BY clause. Aggregate function(s): COUNT"},
           {"CREATE TABLE X AS SELECT REGION, MAX(AGE) FROM CUSTOMERS GROUP BY REGION;", "Line: 1, Col: 48: The aggregation function(s) (MAX) cannot be applied to a table source, only to a stream source."},
           {"CREATE TABLE X AS SELECT NAME, MIN(PRICE) FROM CHANGES GROUP BY NAME;", "Line: 1, Col: 48: The aggregation function(s) (MIN) cannot be applied to a changelog (VALUE_FORMAT='DEBEZIUM_JSON'), only to a stream source."},
           {"CREATE TABLE X AS SELECT CUSTOMER, QTY, COUNT(*) FROM ORDERS GROUP BY CUSTOMER, QTY;", "Key format does not support schema.\nformat: KAFKA\nschema: Persistence{columns=[`CUSTOMER` STRING KEY, `QTY` INTEGER KEY], features=[]}\nreason: The 'KAFKA' format only supports a single field. Got: [`CUSTOMER` STRING KEY, `QTY` INTEGER KEY]"},
           {"SELECT V, COUNT(*) FROM RAW GROUP BY V EMIT CHANGES;", "Line: 1, Col: 25: Source(s) RAW are using the 'KAFKA' value format. This format does not yet support GROUP BY."},
           {"CREATE STREAM X AS SELECT * FROM ORDERS WINDOW TUMBLING (SIZE 30 SECONDS);", "Line: 1, Col: 41: WINDOW clause requires a GROUP BY clause."},
           {"CREATE TABLE X AS SELECT * FROM HOURLY;", "Line: 1, Col: 33: KSQL does not support persistent queries on windowed tables."},
           {"CREATE STREAM X AS SELECT CUSTOMER, ID FROM ORDERS PARTITION BY QTY;", "Line: 1, Col: 45: The query used to build `X` must include the partitioning expression QTY in its projection (eg, SELECT QTY...)."},
           {"SELECT * FROM CUSTOMERS;", "Line: 1, Col: 15: The `CUSTOMERS` table isn't queryable. To derive a queryable table, you can do 'CREATE TABLE QUERYABLE_CUSTOMERS AS SELECT * FROM CUSTOMERS'."},
           {"SELECT ID, NAME AS ID FROM CUSTOMERS EMIT CHANGES;", "Line: 1, Col: 12: The projection contains the column `ID` more than once."},
           {"CREATE STREAM X WITH (KEY_FORMAT='FOO') AS SELECT * FROM ORDERS;", "Line: 1, Col: 23: Unknown format: FOO"}}) {
    EXPECT_EQ(error_of(sql), expected) << sql;
  }
}

TEST(bind, every_error_names_a_remedy) {
  for (auto sql : {"SELECT NOPE FROM ORDERS EMIT CHANGES;", "SELECT * FROM NOPE EMIT CHANGES;", "SELECT QTY = 'x' FROM ORDERS EMIT CHANGES;", "SELECT LN(CUSTOMER) FROM ORDERS EMIT CHANGES;",
                   "CREATE STREAM X AS SELECT QTY FROM ORDERS;", "SELECT * FROM CUSTOMERS;"}) {
    auto plan = bound_plan(sql);
    ASSERT_FALSE(plan) << sql;
    EXPECT_FALSE(plan.error().hint.empty()) << sql;
  }
}

TEST(bind, unaliased_expressions_get_names_and_struct_fields_keep_theirs) {
  auto plan = bound_plan("SELECT ID, QTY + 1, ADDRESS->CITY, LCASE(ADDRESS->CITY), ADDRESS->* FROM ORDERS EMIT CHANGES;");
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(schema_text(*plan), "`ID` INTEGER, `KSQL_COL_0` INTEGER, `CITY` STRING, `KSQL_COL_1` STRING, `CITY_1` STRING, `ZIP` INTEGER");
}

TEST(bind, partition_by_and_group_by_choose_the_key) {
  auto keyed = bound_plan("CREATE STREAM X AS SELECT QTY, ID, CUSTOMER FROM ORDERS PARTITION BY CUSTOMER;");
  ASSERT_TRUE(keyed) << keyed.error().text();
  EXPECT_EQ(schema_text(*keyed->sink), "`CUSTOMER` STRING KEY, `QTY` INTEGER, `ID` INTEGER");
  auto made = bound_plan("CREATE TABLE X AS SELECT UCASE(CUSTOMER), AS_VALUE(UCASE(CUSTOMER)) AS C, COUNT(*) AS N FROM ORDERS GROUP BY UCASE(CUSTOMER);");
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(schema_text(*made->sink), "`KSQL_COL_0` STRING KEY, `C` STRING, `N` BIGINT");
  auto two = bound_plan("CREATE TABLE X WITH (KEY_FORMAT='JSON') AS SELECT QTY, CUSTOMER, COUNT(*) FROM ORDERS GROUP BY (CUSTOMER, QTY);");
  ASSERT_TRUE(two) << two.error().text();
  EXPECT_EQ(schema_text(*two->sink), "`CUSTOMER` STRING KEY, `QTY` INTEGER KEY, `KSQL_COL_0` BIGINT");
}

TEST(bind, quoted_names_survive_the_schema_text) {
  auto plan = bound_plan("CREATE STREAM `out` AS SELECT * FROM `lower`;");
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(schema_text(*plan->sink), "`k` INTEGER KEY, `weird ``name` STRING");
  EXPECT_EQ(plan->sink->topic, "out");
}

TEST(bind, a_changelog_source_writes_plain_json) {
  auto plan = bound_plan("CREATE TABLE X AS SELECT NAME, SUM(PRICE) AS P FROM CHANGES GROUP BY NAME;");
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(plan->sink->value_format, Format::json);
}

TEST(bind, copies_of_a_case_operand_are_counted) {
  std::string text = "QTY";
  for (int i = 0; i < 40; ++i) text = "CASE " + text + " WHEN 1 THEN 1 WHEN 2 THEN 2 END";
  EXPECT_EQ(expression(text).substr(0, 36), "error: The query has more than 20000");
}

TEST(bind, a_declared_source_is_checked) {
  auto create = [](std::string_view text) -> std::string {
    auto all = parse(text);
    if (!all) return all.error().message;
    auto bound = bind_create(std::get<CreateSource>((*all)[0].body), text);
    return bound ? schema_text(bound->source) : bound.error().message;
  };
  for (auto [sql, expected] : std::vector<Case>{
           {"CREATE STREAM S (V INT, K STRING KEY) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=2);", "`K` STRING KEY, `V` INTEGER"},
           {"CREATE TABLE S (K STRING PRIMARY KEY, D DECIMAL(5,1), M MAP<STRING, DOUBLE>) WITH (KAFKA_TOPIC='t', FORMAT='JSON');", "`K` STRING KEY, `D` DECIMAL(5, 1), `M` MAP<STRING, DOUBLE>"},
           {"CREATE TABLE S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Tables require a PRIMARY KEY. Please define the PRIMARY KEY."},
           {"CREATE STREAM S (V INT) WITH (VALUE_FORMAT='JSON');", "Missing required property \"KAFKA_TOPIC\" which has no default value."},
           {"CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t');", "Statement is missing the 'VALUE_FORMAT' property from the WITH clause. Either provide one or set a default via the 'ksql.persistence.default.format.value' config."},
           {"CREATE STREAM S (V INT, V STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Line: 1, Col: 25: Duplicate column names: V"},
           {"CREATE STREAM S (ROWTIME INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Line: 1, Col: 18: 'ROWTIME' is a reserved column name. You cannot use it as a name for a column."},
           {"CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='t', KEY_FORMAT='NONE', VALUE_FORMAT='JSON');", "Line: 1, Col: 62: The 'NONE' format can only be used when no columns are defined. Got: [`K` STRING KEY]"},
           {"CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO');", "Line: 1, Col: 48: The format AVRO is not supported yet"},
           {"CREATE STREAM S (V BOOLEAN) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='KAFKA');", "Line: 1, Col: 52: Value format does not support schema.\nformat: KAFKA\nschema: Persistence{columns=[`V` BOOLEAN], features=[]}\nreason: The 'KAFKA' format does not support type 'BOOLEAN', column: `V`"},
           {"CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', NOPE=1);", "Line: 1, Col: 69: Invalid config variable(s) in the WITH clause: NOPE"},
           {"CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', TIMESTAMP='V');", "Line: 1, Col: 69: Timestamp column, `V`, should be LONG(INT64), TIMESTAMP, or a String with a timestamp format specified."},
           {"CREATE STREAM S (V FOO) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "line 1:20: Cannot resolve unknown type: FOO"}}) {
    EXPECT_EQ(create(sql), expected) << sql;
  }
}

TEST(insert, literals_are_coerced_and_missing_columns_are_null) {
  static const TestCatalog catalog;
  auto insert = [](std::string_view text) {
    auto all = parse(text).value();
    auto& body = std::get<InsertValues>(all[0].body);
    return bind_insert(body, *catalog.find_source(body.target));
  };
  auto row = insert("INSERT INTO ORDERS (ROWTIME, ID, AMOUNT, PRICE, TOTAL, AT, TAGS, ADDRESS) VALUES (1234, '7', 12.5, -3, 5, '1970-01-01T00:00:01', ARRAY['a', NULL], STRUCT(ZIP := 9));");
  ASSERT_TRUE(row) << row.error().text();
  EXPECT_EQ(row->rowtime_ms, 1234);
  EXPECT_EQ(row->row[0], record::Value(std::int64_t{7}));
  EXPECT_EQ(row->row[2], record::Value(record::Decimal{1250}));
  EXPECT_EQ(row->row[4], record::Value(-3.0));
  EXPECT_EQ(row->row[7], record::Value(std::int64_t{1000}));
  EXPECT_TRUE(row->row[1].null());
  EXPECT_EQ(std::get<std::shared_ptr<const record::ValueList>>(row->row[11].data)->at(1), record::Value(std::int64_t{9}));
  auto error = [&](std::string_view text) {
    auto result = insert(text);
    return result ? std::string("bound") : result.error().message;
  };
  EXPECT_EQ(error("INSERT INTO RAW VALUES ('a', 'b');"), "Expected 1 value but there are 2: `V` STRING.");
  EXPECT_EQ(error("INSERT INTO ORDERS (ID, NOPE) VALUES (1, 2);"), "Column name NOPE does not exist.");
  EXPECT_EQ(error("INSERT INTO ORDERS (ID) VALUES ('x');"), "Line: 1, Col: 33: Expected type INTEGER for field `ID` but got STRING ('x'): invalid input syntax for type INTEGER: \"x\"");
  EXPECT_EQ(error("INSERT INTO CUSTOMERS (NAME) VALUES ('x');"), "Failed to insert values into 'CUSTOMERS'. Value for primary key column(s) `ID` is required for tables");
  EXPECT_EQ(error("INSERT INTO CHANGES (ID) VALUES (1);"), "Cannot insert values into CHANGES: its format DEBEZIUM_JSON is for reading only.");
}
