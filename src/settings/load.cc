// From a YAML file and from KEY=VALUE to Settings. yaml-cpp throws; its exceptions end here.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "settings/settings.h"
#include "settings/table.h"

namespace tidemill::settings {
namespace {

constexpr int depth_max = 8;

// Levenshtein's distance, row by row.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({changed, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

std::string nearest_name(std::string_view name) {
  auto nearer = [&](const Row& a, const Row& b) { return distance(a.name, name) < distance(b.name, name); };
  return std::min_element(table().begin(), table().end(), nearer)->name;
}

const Row* find_row(std::string_view name) {
  for (auto& row : table()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// One pass over one file; settings already given in it are an error, as is anything that is not a setting.
class YamlReader {
 public:
  YamlReader(Settings& settings, std::string_view file_name) : settings_(settings), file_name_(file_name) {}

  Result<void> read(const YAML::Node& node, const std::string& name, int depth) {
    if (depth > depth_max) return at(node, fail(Code::invalid, fmt::format("\"{}\" is nested too deeply", name)));
    auto* row = find_row(name);
    if (row && !node.IsMap()) return read_value(node, *row);
    if (node.IsNull() && name.empty()) return {};
    if (!node.IsMap()) return at(node, unknown(name));
    for (auto child : node) {
      auto key = child.first.as<std::string>();
      TRY(read(child.second, name.empty() ? key : name + "." + key, depth + 1));
    }
    return {};
  }

  static Error unknown(const std::string& name) {
    return fail(Code::invalid, fmt::format("there is no setting \"{}\"", name), fmt::format("did you mean {}? docs/settings.md lists them", nearest_name(name)));
  }

 private:
  Result<void> read_value(const YAML::Node& node, const Row& row) {
    if (!seen_.insert(row.name).second) return at(node, fail(Code::invalid, fmt::format("{} is set twice", row.name)));
    if (node.IsNull()) return at(node, fail(Code::invalid, fmt::format("{} has no value", row.name)));
    if (node.IsSequence() && !row.list) return at(node, fail(Code::invalid, fmt::format("{} takes one value, not a list", row.name)));
    auto text = node.IsSequence() ? fmt::format("{}", fmt::join(node.as<std::vector<std::string>>(), ",")) : node.as<std::string>();
    if (auto applied = apply(settings_, row.name, text); !applied) return at(node, applied.error());
    return {};
  }

  Error at(const YAML::Node& node, Error error) const {
    error.message = fmt::format("{}:{}: {}", file_name_, node.Mark().line + 1, error.message);
    return error;
  }

  Settings& settings_;
  std::string_view file_name_;
  std::set<std::string> seen_;
};

// "127.evil.example" begins with 127. as well, so the letters decide.
bool stays_on_this_machine(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

Result<void> apply(Settings& settings, std::string_view name, const std::string& value) {
  auto* row = find_row(name);
  if (!row) return YamlReader::unknown(std::string(name));
  auto read = row->read(settings, value);
  if (read) return {};
  auto given = row->secret ? "the value" : fmt::format("\"{}\"", value);
  return fail(Code::invalid, fmt::format("{}: {} is not {}", row->name, given, read.error().message));
}

Result<void> apply_yaml(Settings& settings, const std::string& text, std::string_view file_name) {
  auto changed = settings;
  try {
    TRY(YamlReader(changed, file_name).read(YAML::Load(text), "", 0));
  } catch (const YAML::Exception& error) {
    return fail(Code::invalid, fmt::format("{}:{}: {}", file_name, error.mark.line + 1, error.msg), "the file is YAML: docs/settings.md has an example");
  }
  settings = std::move(changed);
  return {};
}

Result<void> apply_override(Settings& settings, std::string_view assignment) {
  auto equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) return fail(Code::invalid, fmt::format("\"{}\" is not KEY=VALUE", assignment));
  return apply(settings, assignment.substr(0, equals), std::string(assignment.substr(equals + 1)));
}

Result<void> check(const Settings& settings) {
  const std::pair<const char*, const ListenAddress*> listeners[] = {
      {"kafka.listen", &settings.kafka_listen}, {"registry.listen", &settings.registry_listen}, {"connect.listen", &settings.connect_listen},
      {"ksql.listen", &settings.ksql_listen},   {"postgres.listen", &settings.postgres_listen}, {"http.listen", &settings.http_listen}};
  std::map<std::string, std::string> taken;
  for (auto& [name, address] : listeners) {
    if (address->off) continue;
    if (!stays_on_this_machine(address->host)) {
      return fail(Code::refused, fmt::format("{}={} would be open to other machines, and there is no login yet", name, address->text()),
                  "listen on 127.0.0.1 and let others in through a proxy or tunnel that asks who they are");
    }
    auto [other, fresh] = taken.emplace(address->text(), name);
    if (!fresh && address->port != 0) return fail(Code::invalid, fmt::format("{} and {} are both {}", other->second, name, address->text()), "give each its own port, or turn one off");
  }
  return {};
}

std::vector<Shown> shown(const Settings& settings) {
  static const Settings defaults;
  std::vector<Shown> all;
  for (auto& row : table()) {
    auto value = row.show(settings);
    bool is_default = value == row.show(defaults);
    all.push_back({row.name, row.secret && !value.empty() ? "(set)" : value, is_default});
  }
  return all;
}

}  // namespace tidemill::settings
