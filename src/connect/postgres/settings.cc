#include "connect/postgres/settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "connect/postgres/event_schema.h"

namespace tidemill::connect::postgres {
namespace {

constexpr std::string_view extract_class = "io.debezium.transforms.ExtractNewRecordState";

Result<std::string> checked_slot_name(std::string name) {
  auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (!name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), good)) return name;
  return fail(Code::invalid, fmt::format("slot.name is \"{}\"; allowed are 1 to 63 of a-z, 0-9 and _", name));
}

Server read_server(const Config& config) {
  Server server;
  server.host = config.text("database.hostname");
  server.port = config.text("database.port");
  server.user = config.text("database.user");
  server.password = config.text("database.password");
  server.database = config.text("database.dbname");
  server.sslmode = config.text("database.sslmode");
  server.sslrootcert = config.text("database.sslrootcert");
  server.sslcert = config.text("database.sslcert");
  server.sslkey = config.text("database.sslkey");
  return server;
}

TypeModes read_types(const Config& config) {
  TypeModes types;
  if (auto mode = config.text("decimal.handling.mode"); mode != "precise")
    types.decimal = mode == "double" ? DecimalMode::as_double : DecimalMode::as_string;
  if (auto mode = config.text("time.precision.mode"); mode != "adaptive")
    types.time = mode == "connect" ? TimeMode::connect : TimeMode::adaptive_time_microseconds;
  if (config.text("interval.handling.mode") == "string") types.interval = IntervalMode::as_string;
  return types;
}

// The older pair of properties, and what they amount to.
UnwrapDelete from_older(const std::string& handling, bool drop_tombstones) {
  if (handling == "rewrite") return drop_tombstones ? UnwrapDelete::rewrite : UnwrapDelete::rewrite_with_tombstone;
  if (handling == "none") return UnwrapDelete::delete_to_tombstone;
  return drop_tombstones ? UnwrapDelete::drop : UnwrapDelete::tombstone;
}

Result<UnwrapDelete> read_on_delete(const ConfigMap& config, const std::string& at) {
  static const std::map<std::string, UnwrapDelete> modes = {
      {"drop", UnwrapDelete::drop}, {"tombstone", UnwrapDelete::tombstone}, {"rewrite", UnwrapDelete::rewrite},
      {"rewrite-with-tombstone", UnwrapDelete::rewrite_with_tombstone}, {"delete-to-tombstone", UnwrapDelete::delete_to_tombstone}};
  auto value = [&](const char* name) { auto found = config.find(at + name); return found == config.end() ? std::string() : found->second; };
  auto handling = value("delete.handling.mode"), drop = value("drop.tombstones");
  if (auto mode = value("delete.tombstone.handling.mode"); !mode.empty()) {
    auto found = modes.find(mode);
    if (found != modes.end()) return found->second;
    return fail(Code::invalid, fmt::format("{}delete.tombstone.handling.mode is \"{}\"; allowed are drop, tombstone, rewrite, "
                                           "rewrite-with-tombstone, delete-to-tombstone", at, mode));
  }
  if (handling.empty() && drop.empty()) return UnwrapDelete::tombstone;
  if (!handling.empty() && handling != "drop" && handling != "rewrite" && handling != "none")
    return fail(Code::invalid, fmt::format("{}delete.handling.mode is \"{}\"; allowed are drop, rewrite, none", at, handling));
  return from_older(handling, drop != "false");
}

// "op", "source.ts_ms", "table": a name without a struct is looked for in the envelope, then in source.
Result<AddedField> read_added(const std::string& item, const std::string& prefix) {
  AddedField added;
  auto dot = item.find('.');
  added.field = dot == std::string::npos ? item : item.substr(dot + 1);
  if (dot != std::string::npos) added.struct_name = item.substr(0, dot);
  else if (added_field_type("", item).empty()) added.struct_name = "source";
  if (added_field_type(added.struct_name, added.field).empty())
    return fail(Code::invalid, fmt::format("add.fields names \"{}\", which events do not have", item));
  added.name = prefix + item;
  std::replace(added.name.begin(), added.name.end(), '.', '_');
  return added;
}

Result<Unwrap> read_unwrap(const ConfigMap& config, const std::string& at) {
  Unwrap unwrap;
  TRY_ASSIGN(on_delete, read_on_delete(config, at));
  unwrap.on_delete = on_delete;
  auto prefix = config.contains(at + "add.fields.prefix") ? config.at(at + "add.fields.prefix") : "__";
  if (config.contains(at + "add.fields"))
    for (auto& item : split_list(config.at(at + "add.fields"))) {
      TRY_ASSIGN(added, read_added(item, prefix));
      unwrap.added.push_back(std::move(added));
    }
  return unwrap;
}

Result<std::optional<Unwrap>> read_transforms(const ConfigMap& config) {
  std::optional<Unwrap> unwrap;
  auto names = config.find("transforms");
  if (names == config.end()) return unwrap;
  for (auto& name : split_list(names->second)) {
    auto at = "transforms." + name + ".";
    auto type = config.contains(at + "type") ? config.at(at + "type") : "";
    if (type != extract_class && type != "ExtractNewRecordState")
      return fail(Code::invalid, fmt::format("{}type is \"{}\"; the transform known here is {}", at, type, extract_class));
    TRY_ASSIGN(one, read_unwrap(config, at));
    unwrap = std::move(one);
  }
  return unwrap;
}

Result<std::string> read_skipped(const std::string& text) {
  std::string skipped;
  if (text == "none") return skipped;
  for (auto& item : split_list(text)) {
    if (item.size() != 1 || std::string_view("cudt").find(item[0]) == std::string_view::npos)
      return fail(Code::invalid, fmt::format("skipped.operations is \"{}\"; allowed are c, u, d, t and none", text));
    skipped += item;
  }
  return skipped;
}

Result<std::shared_ptr<const EventFormat>> read_format(const Config& config, const ConfigMap& given) {
  auto format = std::make_shared<EventFormat>();
  format->prefix = config.text("topic.prefix");
  format->database = config.text("database.dbname");
  format->key_schemas = config.flag("key.converter.schemas.enable");
  format->value_schemas = config.flag("value.converter.schemas.enable");
  format->tombstones = config.flag("tombstones.on.delete");
  format->transaction_metadata = config.flag("provide.transaction.metadata");
  format->placeholder = config.text("unavailable.value.placeholder");
  TRY_ASSIGN(unwrap, read_transforms(given));
  format->unwrap = std::move(unwrap);
  return std::shared_ptr<const EventFormat>(std::move(format));
}

Codec codec_named(const std::string& name) {
  if (name == "none") return Codec::none;
  if (name == "gzip") return Codec::gzip;
  if (name == "snappy") return Codec::snappy;
  return name == "zstd" ? Codec::zstd : Codec::lz4;
}

}  // namespace

bool Settings::passes(const std::string& schema, const std::string& table) const {
  if (schema == "pg_catalog" || schema == "information_schema" || schema == "pg_toast") return false;
  return schemas.passes(schema) && tables.passes(schema + "." + table);
}

std::vector<std::string> settings_warnings(const Settings& settings) {
  std::vector<std::string> warnings;
  if (settings.format->transaction_metadata)
    warnings.push_back(fmt::format("provide.transaction.metadata fills the transaction block of events; the topic {}.transaction is not written", settings.format->prefix));
  return warnings;
}

Result<Settings> read_settings(const ConfigMap& given) {
  Config config(postgres_properties(), given);
  Settings settings;
  settings.server = read_server(config);
  TRY_ASSIGN(slot, checked_slot_name(config.text("slot.name")));
  settings.slot = std::move(slot);
  settings.publication = config.text("publication.name");
  if (auto mode = config.text("publication.autocreate.mode"); mode != "all_tables")
    settings.autocreate = mode == "filtered" ? Autocreate::filtered : Autocreate::disabled;
  if (auto mode = config.text("snapshot.mode"); mode != "initial")
    settings.snapshot = mode == "initial_only" ? SnapshotMode::initial_only : SnapshotMode::none;
  TRY_ASSIGN(schemas, NameFilter::make(config.text("schema.include.list"), config.text("schema.exclude.list")));
  TRY_ASSIGN(tables, NameFilter::make(config.text("table.include.list"), config.text("table.exclude.list")));
  settings.schemas = std::move(schemas);
  settings.tables = std::move(tables);
  settings.types = read_types(config);
  TRY_ASSIGN(format, read_format(config, given));
  settings.format = std::move(format);
  TRY_ASSIGN(skipped, read_skipped(config.text("skipped.operations")));
  settings.skipped = std::move(skipped);
  settings.codec = codec_named(config.text("producer.override.compression.type"));
  settings.partitions = static_cast<std::int32_t>(std::clamp<std::int64_t>(config.number("topic.creation.default.partitions"), 1, 1000));
  return settings;
}

}  // namespace tidemill::connect::postgres
