#include "catalog/state.h"

#include <fmt/core.h>

namespace tidemill::catalog {
namespace {

constexpr std::int32_t partitions_max = 100000;

template <class T>
std::shared_ptr<const T> find(const Shelf<T>& shelf, TenantId tenant, const std::string& name) {
  auto at = shelf.find(Key{tenant, name});
  return at == shelf.end() ? nullptr : at->second;
}

Result<Record> prepare_topic(State& state, const CreateTopic& c, Filler filler) {
  TRY(check_topic_name(c.name));
  if (c.partitions < 1 || c.partitions > partitions_max)
    return fail(Code::invalid, fmt::format("topic \"{}\" cannot have {} partitions", c.name, c.partitions),
                fmt::format("ask for 1 to {}", partitions_max));
  if (find(state.topics, c.tenant, c.name)) return fail(Code::already_exists, fmt::format("topic \"{}\" already exists", c.name));
  Topic t{.tenant = c.tenant, .name = c.name, .partitions = c.partitions, .configs = c.configs, .internal = c.internal, .created_ms = filler.now_ms};
  for (std::size_t i = 0; i < t.uuid.size(); ++i) t.uuid[i] = static_cast<std::uint8_t>(filler.random.next() >> 56);
  t.uuid[6] = static_cast<std::uint8_t>((t.uuid[6] & 0x0f) | 0x40);  // RFC 4122, version 4
  t.uuid[8] = static_cast<std::uint8_t>((t.uuid[8] & 0x3f) | 0x80);
  t.first_stream = state.take_streams(static_cast<std::uint64_t>(c.partitions));
  return Record(std::move(t));
}

Result<Record> prepare_source(State& state, const PutSource& p) {
  auto& name = p.definition.name;
  if (auto old = find(state.sources, p.tenant, name); old && !p.replace)
    return fail(Code::already_exists,
                fmt::format("{} \"{}\" already exists", old->definition.kind == sql::SourceKind::stream ? "stream" : "table", name),
                "drop it first, or use CREATE OR REPLACE");
  return Record(Source{p.tenant, p.definition});
}

Result<Record> prepare_query(State& state, const PutQuery& p, Filler filler) {
  if (find(state.queries, p.query.tenant, p.query.id))
    return fail(Code::already_exists, fmt::format("query \"{}\" already exists", p.query.id));
  auto query = p.query;
  query.positions = state.take_streams(1);
  query.created_ms = filler.now_ms;
  return Record(std::move(query));
}

Result<Record> prepare_connector(State& state, const PutConnector& p, Filler filler) {
  if (p.name.empty()) return fail(Code::invalid, "a connector needs a name");
  Connector c{.tenant = p.tenant, .name = p.name, .config = p.config};
  if (auto old = find(state.connectors, p.tenant, p.name)) {
    c.positions = old->positions;
    c.created_ms = old->created_ms;
  } else {
    c.positions = state.take_streams(1);
    c.created_ms = filler.now_ms;
  }
  return Record(std::move(c));
}

template <class T>
Result<Record> prepare_drop(const Shelf<T>& shelf, Thing thing, const char* word, TenantId tenant, const std::string& name) {
  if (!find(shelf, tenant, name)) return fail(Code::not_found, fmt::format("{} \"{}\" does not exist", word, name));
  return Record(Drop{thing, tenant, name});
}

}  // namespace

Result<void> check_topic_name(std::string_view name) {
  auto legal = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; };
  bool ok = !name.empty() && name.size() <= 249 && name != "." && name != "..";
  for (char c : name) ok = ok && legal(c);
  if (ok) return {};
  return fail(Code::invalid, fmt::format("\"{}\" is not a legal topic name", name.substr(0, 300)),
              "use 1 to 249 letters, digits, '.', '_' or '-'");
}

StreamId State::take_streams(std::uint64_t count) {
  StreamId first(next_stream);
  next_stream += count;
  return first;
}

std::vector<StreamId> State::abandoned_by(const Record& record) const {
  std::vector<StreamId> streams;
  auto* drop = std::get_if<Drop>(&record);
  if (!drop) return streams;
  Key key{drop->tenant, drop->name};
  if (drop->thing == Thing::topic) {
    auto topic = topics.find(key);
    for (std::int32_t p = 0; topic != topics.end() && p < topic->second->partitions; ++p) streams.push_back(topic->second->stream(p));
  }
  if (auto query = queries.find(key); drop->thing == Thing::query && query != queries.end()) streams.push_back(query->second->positions);
  if (auto connector = connectors.find(key); drop->thing == Thing::connector && connector != connectors.end()) streams.push_back(connector->second->positions);
  return streams;
}

std::shared_ptr<const Topic> State::topic_of(StreamId stream) const {
  auto next = by_stream.upper_bound(stream);
  if (next == by_stream.begin()) return nullptr;
  auto& topic = std::prev(next)->second;
  return stream.value - topic->first_stream.value < static_cast<std::uint64_t>(topic->partitions) ? topic : nullptr;
}

void State::apply(const Record& record) {
  auto keep_streams = [&](StreamId first, std::uint64_t count) { next_stream = std::max(next_stream, first.value + count); };
  if (auto* t = std::get_if<Topic>(&record)) {
    auto kept = std::make_shared<const Topic>(*t);
    topics[{t->tenant, t->name}] = kept;
    by_uuid[t->uuid] = kept;
    by_stream[t->first_stream] = kept;
    keep_streams(t->first_stream, static_cast<std::uint64_t>(t->partitions));
    ++changes[t->tenant];
  } else if (auto* s = std::get_if<Source>(&record)) {
    sources[{s->tenant, s->definition.name}] = std::make_shared<const Source>(*s);
    ++changes[s->tenant];
  } else if (auto* q = std::get_if<Query>(&record)) {
    queries[{q->tenant, q->id}] = std::make_shared<const Query>(*q);
    keep_streams(q->positions, 1);
    ++changes[q->tenant];
  } else if (auto* c = std::get_if<Connector>(&record)) {
    connectors[{c->tenant, c->name}] = std::make_shared<const Connector>(*c);
    keep_streams(c->positions, 1);
    ++changes[c->tenant];
  } else {
    auto& d = std::get<Drop>(record);
    Key key{d.tenant, d.name};
    if (d.thing == Thing::topic) {
      if (auto at = topics.find(key); at != topics.end()) {
        by_uuid.erase(at->second->uuid);
        by_stream.erase(at->second->first_stream);
      }
      topics.erase(key);
    }
    if (d.thing == Thing::source) sources.erase(key);
    if (d.thing == Thing::query) queries.erase(key);
    if (d.thing == Thing::connector) connectors.erase(key);
    ++changes[d.tenant];
  }
}

Result<Record> prepare(State& state, const Change& change, Filler filler) {
  if (auto* c = std::get_if<CreateTopic>(&change)) return prepare_topic(state, *c, filler);
  if (auto* c = std::get_if<PutSource>(&change)) return prepare_source(state, *c);
  if (auto* c = std::get_if<PutQuery>(&change)) return prepare_query(state, *c, filler);
  if (auto* c = std::get_if<PutConnector>(&change)) return prepare_connector(state, *c, filler);
  if (auto* c = std::get_if<DeleteTopic>(&change)) return prepare_drop(state.topics, Thing::topic, "topic", c->tenant, c->name);
  if (auto* c = std::get_if<DropSource>(&change)) return prepare_drop(state.sources, Thing::source, "source", c->tenant, c->name);
  if (auto* c = std::get_if<DropQuery>(&change)) return prepare_drop(state.queries, Thing::query, "query", c->tenant, c->id);
  auto& c = std::get<DropConnector>(change);
  return prepare_drop(state.connectors, Thing::connector, "connector", c.tenant, c.name);
}

}  // namespace tidemill::catalog
