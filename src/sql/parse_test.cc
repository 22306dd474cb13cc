#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "sql/sql.h"

using namespace tidemill;
using namespace tidemill::sql;

namespace {
std::string error_of(std::string_view text) {
  auto result = parse(text);
  return result ? "parsed" : result.error().message;
}
}  // namespace

TEST(parse, statements_are_cut_at_their_semicolons_with_their_text) {
  auto all = parse("-- hello\n  SHOW STREAMS;\n/* two */ LIST  TOPICS EXTENDED ; ;\nDROP TABLE IF EXISTS t DELETE TOPIC");
  ASSERT_TRUE(all) << all.error().text();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].text, "SHOW STREAMS;");
  EXPECT_EQ((*all)[1].text, "LIST  TOPICS EXTENDED ;");
  EXPECT_EQ((*all)[2].text, "DROP TABLE IF EXISTS t DELETE TOPIC;");
  auto& drop = std::get<Drop>((*all)[2].body);
  EXPECT_EQ(drop.name, "T");
  EXPECT_TRUE(drop.if_exists && drop.delete_topic && drop.kind == SourceKind::table);
  EXPECT_EQ((*all)[1].at.line, 3);
}

TEST(parse, names_fold_unless_quoted) {
  auto all = parse("DESCRIBE abc; DESCRIBE `a``b`; DESCRIBE \"Mixed\"; DESCRIBE 1abc;");
  ASSERT_TRUE(all) << all.error().text();
  EXPECT_EQ(std::get<Describe>((*all)[0].body).name, "ABC");
  EXPECT_EQ(std::get<Describe>((*all)[1].body).name, "a`b");
  EXPECT_EQ(std::get<Describe>((*all)[2].body).name, "Mixed");
  EXPECT_EQ(std::get<Describe>((*all)[3].body).name, "1ABC");
}

TEST(parse, a_wrong_word_is_reported_with_its_place_and_what_was_expected) {
  EXPECT_EQ(error_of("CREATE STREEM x;"), "line 1:8: Syntax Error\nExpecting {'STREAM', 'TABLE'}\nSyntax error at or near 'STREEM' at line 1:8");
  EXPECT_EQ(error_of("SELECT a\nFROM t\nWHERE;"), "line 3:6: Syntax Error\nExpecting an expression\nSyntax error at or near ';' at line 3:6");
  EXPECT_EQ(error_of("CREATE STREAM INPUT (K STRING (KEY)) WITH (kafka_topic='input');"),
            "line 1:32: Syntax Error\nExpecting {'STRING', INTEGER_VALUE}\nSyntax error at or near 'KEY' at line 1:32");
  EXPECT_EQ(error_of("SELECT 'abc FROM t;"), "line 1:8: Syntax Error\nThe quotation is not closed");
  EXPECT_EQ(error_of("SELECT \x01 FROM t;"), "line 1:8: Syntax Error\nUnexpected character \\x01 at line 1:8");
}

TEST(parse, a_reserved_word_as_a_name_tells_how_to_quote_it) {
  auto result = parse("CREATE STREAM x (from INT) WITH (KAFKA_TOPIC='t');");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().hint, "\"FROM\" is a reserved keyword; to use it as a name, write `FROM`");
}

TEST(parse, statements_that_are_not_supported_yet_say_so_by_name) {
  for (auto [text, what] : std::vector<std::pair<std::string, std::string>>{
           {"SELECT * FROM a JOIN b ON a.x = b.x EMIT CHANGES;", "JOIN"},
           {"SELECT x, COUNT(*) FROM a WINDOW SESSION (5 SECONDS) GROUP BY x EMIT CHANGES;", "WINDOW SESSION"},
           {"SELECT * FROM a EMIT FINAL;", "EMIT FINAL"},
           {"INSERT INTO a SELECT * FROM b;", "INSERT INTO ... SELECT"},
           {"PRINT topic;", "PRINT"},
           {"CREATE TYPE t AS INT;", "CREATE TYPE"},
           {"PAUSE ALL;", "PAUSE"},
           {"ASSERT TOPIC t;", "ASSERT"},
           {"SELECT TRANSFORM(a, x => x + 1) FROM t EMIT CHANGES;", "A lambda"}}) {
    auto result = parse(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Code::unsupported) << text;
    EXPECT_NE(result.error().message.find(what + " is not supported yet"), std::string::npos) << result.error().message;
  }
}

TEST(parse, deep_nesting_is_an_error_and_not_a_stack_overflow) {
  auto repeated = [](std::string_view piece, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += piece;
    return out;
  };
  for (auto text : {"SELECT " + repeated("(", 100'000), "SELECT " + repeated("NOT ", 100'000), "SELECT " + repeated("- ", 100'000) + "1 FROM t;",
                    "SELECT 1" + repeated("+1", 100'000) + " FROM t;", "SELECT a" + repeated("[1", 50'000), "SELECT a" + repeated("[1]", 50'000) + " FROM t;",
                    "SELECT " + repeated("CASE ", 100'000), "CREATE STREAM s (a " + repeated("ARRAY<", 100'000), "CREATE STREAM s (a INT" + repeated(" ARRAY", 100'000) + ");",
                    "SELECT " + repeated("f(", 100'000), "SELECT a" + repeated("->b", 100'000) + " FROM t;", repeated("EXPLAIN CREATE STREAM X AS ", 10) + "SELECT 1",
                    "SELECT " + repeated("CAST(", 100'000)}) {
    EXPECT_FALSE(parse(text)) << text.substr(0, 40);
  }
}

TEST(parse, a_text_beyond_the_limit_is_refused) {
  auto result = parse(std::string(text_bytes_max + 1, ' '));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::too_large);
}

TEST(functions, the_page_in_docs_is_the_one_made_from_the_spec) {
  auto read = [](const std::string& path) {
    std::ifstream file(path);
    std::stringstream out;
    out << file.rdbuf();
    return out.str();
  };
  auto made = read(TIDEMILL_BINARY_DIR "/generated/sql/functions.md");
  ASSERT_FALSE(made.empty());
  EXPECT_EQ(read(TIDEMILL_SOURCE_DIR "/docs/functions.md"), made) << "copy build/generated/sql/functions.md to docs/";
}
