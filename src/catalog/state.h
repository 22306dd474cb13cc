// What the catalogue holds in memory, and the one way to change it: apply a Record. Not thread-safe; Catalog guards it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "catalog/catalog.h"

namespace tidemill::catalog {

enum class Thing : std::uint8_t { topic, source, query, connector };

struct Drop {
  Thing thing;
  TenantId tenant;
  std::string name;
};
using Record = std::variant<Topic, Source, Query, Connector, Drop>;

using Key = std::pair<TenantId, std::string>;
template <class T>
using Shelf = std::map<Key, std::shared_ptr<const T>, std::less<>>;

struct State {
  Shelf<Topic> topics;
  Shelf<Source> sources;
  Shelf<Query> queries;
  Shelf<Connector> connectors;
  std::map<Uuid, std::shared_ptr<const Topic>> by_uuid;
  std::map<StreamId, std::shared_ptr<const Topic>> by_stream;  // by the first of its streams
  std::map<TenantId, std::int64_t> changes;  // per tenant, for names made from numbers
  std::uint64_t next_stream = first_free_stream.value;
  Offset next_record;  // of the catalogue stream: what has been applied ends here

  void apply(const Record& record);
  // The streams that nobody will read any more once `record` is applied: of what it drops.
  std::vector<StreamId> abandoned_by(const Record& record) const;
  std::shared_ptr<const Topic> topic_of(StreamId stream) const;
  // Gives out `count` consecutive stream ids.
  StreamId take_streams(std::uint64_t count);
};

// Turns one wanted change into the record that will be written, or says why it cannot be. Fills in ids and times.
struct Filler {
  std::int64_t now_ms;
  world::Random& random;
};
Result<Record> prepare(State& state, const Change& change, Filler filler);

// The record's document: one line of JSON (docs/formats/catalog.md).
std::string write_document(const Record& record);
Result<Record> read_document(std::string_view text);

}  // namespace tidemill::catalog
