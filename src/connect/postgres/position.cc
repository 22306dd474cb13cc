#include "connect/postgres/position.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "connect/json_text.h"

namespace tidemill::connect::postgres {
namespace {

using Json = nlohmann::json;

Lsn lsn_of(const Json& json) {
  auto lsn = parse_lsn(json.get<std::string>());
  if (!lsn) throw std::invalid_argument("not an LSN");
  return *lsn;
}

Json to_json(const Snapshot& snapshot) {
  Json tables = Json::array(), runs = Json::array();
  for (auto& t : snapshot.tables) tables.push_back({t.schema, t.name, t.oid});
  for (auto& r : snapshot.runs) {
    Json run = {{"lsn", lsn_text(r.lsn)}, {"table", r.until.table}};
    if (!r.until.key.empty()) run["key"] = r.until.key;
    if (r.torn) run["torn"] = true;
    runs.push_back(std::move(run));
  }
  return {{"tables", std::move(tables)}, {"runs", std::move(runs)}, {"complete", snapshot.complete}};
}

Snapshot snapshot_of(const Json& json) {
  Snapshot snapshot;
  for (auto& t : json.at("tables"))
    snapshot.tables.push_back({t.at(0).get<std::string>(), t.at(1).get<std::string>(), t.at(2).get<std::uint32_t>()});
  for (auto& r : json.at("runs")) {
    Run run{lsn_of(r.at("lsn")), {r.at("table").get<std::size_t>(), {}}, r.value("torn", false)};
    if (r.contains("key")) run.until.key = r.at("key").get<std::vector<std::string>>();
    snapshot.runs.push_back(std::move(run));
  }
  snapshot.complete = json.at("complete").get<bool>();
  return snapshot;
}

}  // namespace

std::string position_text(const Position& p) {
  auto text = fmt::format(R"({{"version":1,"system":{},"resume":"{}","commit":"{}","index":{},"whole":{},"xid":{})", json_string(p.system),
                          lsn_text(p.resume), lsn_text(p.commit), p.index, p.whole, p.xid);
  // Bytes that are no UTF-8 cannot come: the sessions ask for it.
  if (p.snapshot) text += ",\"snapshot\":" + to_json(*p.snapshot).dump(-1, ' ', false, Json::error_handler_t::replace);
  return text + "}";
}

Result<Position> parse_position(std::string_view text) {
  try {
    auto json = Json::parse(text);
    if (json.at("version").get<int>() != 1) return fail(Code::unsupported, "a connector position of an unknown version", "start the newer Tidemill that wrote it");
    Position p;
    p.system = json.at("system").get<std::string>();
    p.resume = lsn_of(json.at("resume"));
    p.commit = lsn_of(json.at("commit"));
    p.index = json.at("index").get<std::uint64_t>();
    p.whole = json.at("whole").get<bool>();
    p.xid = json.at("xid").get<std::uint32_t>();
    if (json.contains("snapshot")) p.snapshot = snapshot_of(json.at("snapshot"));
    return p;
  } catch (const std::exception& e) {
    return fail(Code::corrupt, fmt::format("a connector position that cannot be read: {}", e.what()));
  }
}

}  // namespace tidemill::connect::postgres
