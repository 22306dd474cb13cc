// Sources for the tests of this room and its fuzzer.
#pragma once

#include <map>
#include <string>

#include "sql/sql.h"

namespace tidemill::sql {

class TestCatalog : public SourceResolver {
 public:
  TestCatalog() {
    add("CREATE STREAM ORDERS (ID INT KEY, CUSTOMER STRING, AMOUNT DECIMAL(10,2), QTY INT, PRICE DOUBLE, TOTAL BIGINT, PAID BOOLEAN, AT TIMESTAMP, DAY DATE,"
        " TAGS ARRAY<STRING>, ATTRS MAP<STRING, INT>, ADDRESS STRUCT<CITY STRING, ZIP INT>) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');");
    add("CREATE TABLE CUSTOMERS (ID STRING PRIMARY KEY, NAME STRING, REGION STRING, AGE INT) WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON');");
    add("CREATE STREAM CHANGES (ID INT, NAME STRING, PRICE DOUBLE) WITH (KAFKA_TOPIC='changes', VALUE_FORMAT='DEBEZIUM_JSON');");
    add("CREATE STREAM RAW (V STRING) WITH (KAFKA_TOPIC='raw', VALUE_FORMAT='KAFKA');");
    add("CREATE STREAM `lower` (`k` INT KEY, `weird ``name` STRING) WITH (KAFKA_TOPIC='lower', VALUE_FORMAT='JSON');");
    add("CREATE TABLE TOTALS AS SELECT CUSTOMER, COUNT(*) AS N, SUM(QTY) AS QTY FROM ORDERS GROUP BY CUSTOMER;");
    add("CREATE TABLE HOURLY AS SELECT CUSTOMER, COUNT(*) AS N FROM ORDERS WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY CUSTOMER;");
  }

  const Source* find_source(std::string_view name) const override {
    auto found = sources_.find(std::string(name));
    return found == sources_.end() ? nullptr : &found->second;
  }

 private:
  void add(std::string_view text) {
    auto statement = parse(text).value();
    if (auto* create = std::get_if<CreateSource>(&statement[0].body)) return put(bind_create(*create, text).value().source);
    auto sink = *bind_statement(text, *this).value().sink;
    sink.written_by = "CTAS_" + sink.name + "_1";
    put(sink);
  }
  void put(const Source& source) { sources_[source.name] = source; }

  std::map<std::string, Source> sources_;
};

}  // namespace tidemill::sql
