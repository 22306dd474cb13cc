#include "flow/expression.h"

#include <gtest/gtest.h>

#include "flow/cast.h"
#include "flow/functions.h"
#include "flow/test_mill.h"
#include "flow/value_text.h"

// Expressions by what SQL says they are worth.

namespace tidemill::flow {
namespace {

// One row of known columns; the expression's value as CAST AS STRING prints it, "error: ..." when it failed aloud.
std::string worth(const std::string& expression) {
  static Mill* mill = [] {
    auto* m = new Mill;
    m->run_sql("CREATE STREAM s (k INT KEY, i INT, b BIGINT, d DOUBLE, m DECIMAL(10, 2), t STRING, o BOOLEAN, nul INT, nulo BOOLEAN, nult STRING, ts TIMESTAMP, "
               "a ARRAY<INT>, p MAP<STRING, INT>, r STRUCT<x INT, y STRING>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);");
    return m;
  }();
  auto statements = sql::parse("SELECT " + expression + " AS v FROM s EMIT CHANGES;");
  if (!statements) return "parse: " + statements.error().message;
  auto plan = sql::bind_query(std::get<sql::Select>(statements->front().body), *mill, {sql::QueryForm::push});
  if (!plan) return "bind: " + plan.error().message;
  auto pipeline = Pipeline::make(std::make_shared<sql::QueryPlan>(*plan), false);
  EXPECT_TRUE(pipeline);
  record::RecordView record;
  record.value = R"({"i":7,"b":9000000000,"d":2.5,"m":"12.30","t":"Tide","o":true,"ts":1700000000123,"a":[10,20,30],"p":{"x":1,"y":2},"r":{"X":5,"y":"z"}})";
  EXPECT_TRUE((*pipeline)->decoder().decode(record, {}, (*pipeline)->input())) << (*pipeline)->decoder().error().message;
  std::vector<BadRow> bad;
  EXPECT_TRUE((*pipeline)->run(bad));
  auto cell = (*pipeline)->cells()[0];
  auto value = cell.column->value(cell.at(0));
  if (!bad.empty()) return (value.null() ? "error: " : "error, yet " + cast_text(value, cell.column->type) + ": ") + bad[0].message;
  return cast_text(value, cell.column->type);
}

struct Case {
  const char* expression;
  const char* value;
};

void check(std::initializer_list<Case> cases) {
  for (auto& c : cases) EXPECT_EQ(worth(c.expression), c.value) << c.expression;
}

TEST(Expression, numbers_behave_as_javas) {
  check({{"i + 1", "8"},         {"2147483647 + i", "-2147483642"}, {"b * 4611686018427387904", "0"}, {"i / 2", "3"},      {"-i / 2", "-3"},
         {"i % 4", "3"},         {"d / 0", "Infinity"},             {"i / 0", "error: division by zero"},  {"d * 2", "5.0"},   {"1e10 * d", "2.5E10"},
         {"m + 1", "13.30"},     {"m * m", "151.2900"},             {"m - 0.305", "11.995"},              {"i + nul", "null"}, {"-m", "-12.30"},
         {"m / 3", "4.1000000000000"}, {"m % 5", "2.30"},                 {"-d", "-2.5"}});
  EXPECT_TRUE(worth("m / 7").starts_with("error: "));  // inexact
}

TEST(Expression, comparisons_with_null_are_false) {
  check({{"nul = 1", "false"}, {"NOT (nul = 1)", "true"}, {"nul <> 1", "false"}, {"nul IS NULL", "true"}, {"i IS NOT NULL", "true"},
         {"nul IS DISTINCT FROM 1", "true"}, {"nul IS NOT DISTINCT FROM nul", "true"}, {"i > 6", "true"}, {"m = 12.3", "true"}, {"m < 12.301", "true"},
         {"t = 'Tide'", "true"}, {"d >= 2", "true"}, {"i BETWEEN 7 AND 9", "true"}, {"i NOT BETWEEN 7 AND 9", "false"},
         {"i IN (1, 7)", "true"}, {"i IN (1, 2)", "false"}, {"nul IN (1)", "false"}, {"i NOT IN (1)", "true"}});
}

TEST(Expression, logic_is_lazy_and_a_null_operand_fails) {
  check({{"o AND i = 7", "true"}, {"i = 8 AND 1 / (i - 7) = 1", "false"}, {"o OR 1 / (i - 7) = 1", "true"}, {"nulo AND o", "null"},
         {"NOT nulo", "null"}, {"i = 7 OR nulo", "true"}, {"CASE WHEN i = 7 THEN 'a' WHEN 1 / (i - 7) = 0 THEN 'b' ELSE 'c' END", "a"},
         {"CASE WHEN i = 8 THEN 'a' END", "null"}, {"CASE i WHEN 7 THEN 1 ELSE 2 END", "1"}, {"NOT ((1 / (i - 7)) = 1)", "error: division by zero"}});
}

TEST(Expression, like) {
  check({{"t LIKE 'T%'", "true"}, {"t LIKE '_ide'", "true"}, {"t LIKE 'ide'", "false"}, {"t LIKE '%d_'", "true"}, {"t LIKE 'T!%' ESCAPE '!'", "false"},
         {"'50%' LIKE '50!%' ESCAPE '!'", "true"}, {"'aXbXc' LIKE '%X%X%'", "true"}, {"'abc' LIKE '%%c'", "true"}, {"'' LIKE ''", "true"}, {"nult LIKE '%'", "false"}});
}

TEST(Expression, casts) {
  check({{"CAST(d AS INT)", "2"}, {"CAST(-2.9e0 AS BIGINT)", "-2"}, {"CAST(1e300 AS INT)", "2147483647"}, {"CAST(b AS INT)", "410065408"},
         {"CAST('12x' AS INT)", "error: cannot cast 12x to INTEGER"}, {"CAST(' 12 ' AS INT)", "12"}, {"CAST(d AS STRING)", "2.5"},
         {"CAST(d AS DECIMAL(3, 0))", "3"}, {"CAST(m AS DECIMAL(3, 1))", "12.3"}, {"CAST('yes' AS BOOLEAN)", "true"}, {"CAST('no' AS BOOLEAN)", "false"},
         {"CAST(ts AS STRING)", "2023-11-14T22:13:20.123"}, {"CAST(ts AS DATE)", "2023-11-14"}, {"CAST('2020-05' AS TIMESTAMP)", "2020-05-01T00:00:00.000"},
         {"CAST(a AS STRING)", "[10, 20, 30]"}, {"CAST(o AS STRING)", "true"}, {"CAST(nul AS STRING)", "null"}});
  EXPECT_TRUE(worth("CAST(m AS DECIMAL(3, 2))").starts_with("error: "));
}

TEST(Expression, nested_values) {
  check({{"a[1]", "10"}, {"a[-1]", "30"}, {"a[4]", "null"}, {"p['y']", "2"}, {"p['z']", "null"}, {"r->x + 1", "6"}, {"r->y", "z"}});
}

TEST(Expression, examples_of_every_function) {
  check({{"ABS(-3)", "3"}, {"ABS(-m)", "12.30"}, {"CEIL(1.2)", "2.0"}, {"CEIL(d)", "3.0"}, {"FLOOR(1.8)", "1.0"}, {"FLOOR(-d)", "-3.0"}, {"ROUND(2.55, 1)", "2.60"},
         {"ROUND(d)", "3"}, {"ROUND(-d)", "-2"}, {"ROUND(2.345e0, 2)", "2.35"}, {"ROUND(m)", "12"}, {"SQRT(9)", "3.0"}, {"POWER(2, 3)", "8.0"}, {"LN(1)", "0.0"},
         {"EXP(0)", "1.0"}, {"SIGN(-7)", "-1"}, {"GREATEST(1, 5, 3)", "5"}, {"LEAST(4, 2, nul)", "2"}, {"GREATEST(1.5, 12.25)", "12.25"},
         {"UCASE('tide é')", "TIDE É"}, {"LCASE('TIDE')", "tide"}, {"LEN('mill')", "4"}, {"LEN('😀é')", "3"}, {"TRIM('  a ')", "a"},
         {"SUBSTRING('stream', 2, 3)", "tre"}, {"SUBSTRING('stream', -2)", "am"}, {"SUBSTRING('stream', 9)", ""}, {"CONCAT('a', nult, 'c')", "ac"},
         {"'a' || 'b'", "ab"}, {"'a' + t", "aTide"}, {"nult || 'b'", "null"}, {"REPLACE('a-b-', '-', '+')", "a+b+"}, {"INSTR('water', 't')", "3"},
         {"INSTR('banana', 'a', -1)", "6"}, {"INSTR('banana', 'a', 1, 2)", "4"}, {"INSTR('banana', 'x')", "0"}, {"LPAD('7', 3, '0')", "007"}, {"RPAD('7', 3, '.')", "7.."},
         {"LPAD('abc', 2, 'x')", "ab"}, {"LPAD('a', 2, '')", "null"}, {"SPLIT('a,b', ',')[1]", "a"}, {"CAST(SPLIT(',a,', ',') AS STRING)", "[, a, ]"},
         {"COALESCE(nul, 4)", "4"}, {"IFNULL(nul, 7)", "7"}, {"NULLIF('a', 'b')", "a"}, {"NULLIF(i, 7)", "null"}, {"FROM_UNIXTIME(0)", "1970-01-01T00:00:00.000"},
         {"UNIX_TIMESTAMP(FROM_UNIXTIME(5))", "5"}, {"FORMAT_TIMESTAMP(ts, 'yyyy-MM-dd''T''HH:mm:ss.SSS')", "2023-11-14T22:13:20.123"},
         {"EXTRACTJSONFIELD('{\"a\":{\"b\":[1,{\"c\": \"x\\n\"}]}}', '$.a.b[1].c')", "x\n"}, {"EXTRACTJSONFIELD('{\"a\":[1, 2]}', '$.a')", "[1,2]"},
         {"EXTRACTJSONFIELD('{\"a\":null}', '$.a')", "null"}, {"EXTRACTJSONFIELD('{\"a\":1}', '$.b')", "null"}});
  EXPECT_TRUE(worth("EXTRACTJSONFIELD('{x', '$.b')").starts_with("error: "));
}

TEST(ValueText, doubles_are_printed_as_java_does) {
  struct { double v; const char* text; } cases[] = {{0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {100, "100.0"}, {1e7, "1.0E7"}, {9999999, "9999999.0"}, {0.001, "0.001"},
      {0.0001, "1.0E-4"}, {1.5e-5, "1.5E-5"}, {123456789.5, "1.234567895E8"}, {0.1, "0.1"}, {1e10, "1.0E10"}, {4.9e-324, "4.9E-324"}};
  for (auto& c : cases) {
    std::string out;
    append_double(out, c.v);
    if (c.v == 4.9e-324) EXPECT_TRUE(out == "4.9E-324" || out == "5.0E-324") << out;  // shortest digits: 5e-324
    else EXPECT_EQ(out, c.text);
  }
}

TEST(ValueText, decimals_are_exact_to_38_digits) {
  auto v = parse_decimal("12345678901234567890123456789012345678", 38, 0, Excess::refuse);
  ASSERT_TRUE(v);
  EXPECT_EQ(record::decimal_text({*v}, 0), "12345678901234567890123456789012345678");
  EXPECT_FALSE(parse_decimal("123456789012345678901234567890123456789", 38, 0, Excess::refuse));
  EXPECT_FALSE(parse_decimal("1.005", 10, 2, Excess::refuse));
  EXPECT_EQ(parse_decimal("1.005", 10, 2, Excess::half_up), 101);
  EXPECT_EQ(parse_decimal("-1.5e3", 10, 2, Excess::refuse), -150000);
  EXPECT_EQ(parse_decimal("0.00", 3, 1, Excess::refuse), 0);
  EXPECT_FALSE(parse_decimal("abc", 3, 1, Excess::refuse));
}

TEST(ValueText, base64_both_ways) {
  for (std::string bytes : {"", "a", "ab", "abc", "\xff\x00\x10z"}) {
    std::string text;
    append_base64(text, bytes);
    EXPECT_EQ(base64_bytes(text), bytes);
  }
  EXPECT_FALSE(base64_bytes("a*=="));
}

TEST(Functions, every_function_of_the_binders_table_is_implemented) {
  std::string path = TIDEMILL_SOURCE_DIR "/spec/functions.toml";
  auto* file = std::fopen(path.c_str(), "r");
  ASSERT_TRUE(file);
  char line[4096];
  int seen = 0;
  while (std::fgets(line, sizeof line, file)) {
    std::string_view text(line);
    if (!text.starts_with("name = \"")) continue;
    auto name = text.substr(8, text.rfind('"') - 8);
    EXPECT_TRUE(find_function(name)) << name;
    ++seen;
  }
  std::fclose(file);
  EXPECT_GE(seen, 30);
}

}  // namespace
}  // namespace tidemill::flow
