// The catalogue: what exists and whose it is. Topics, SQL sources, persistent queries, connectors, each under (tenant, name).
//
// Truth is one internal stream of the log (catalog_stream); this class is its follower and the only writer of it. Every change is
// one atomic append, however many things it makes; it is visible to find_*() at once and reported to the caller when durable. Since
// everything that follows from a change comes later in the log's order, nothing can outlive the definition it rests on. What is dropped
// takes its streams along: the append that drops it marks them as forgotten.
// docs/formats/catalog.md has the records. All calls are thread-safe; `done` callbacks run on the log's thread and must not block.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "log/log.h"
#include "sql/source.h"
#include "world/clock.h"
#include "world/disk.h"

namespace tidemill::catalog {

inline constexpr StreamId catalog_stream{1};
inline constexpr StreamId first_free_stream{1024};  // ids below are the system's own

using Uuid = std::array<std::uint8_t, 16>;

struct Topic {
  TenantId tenant;
  std::string name;
  Uuid uuid{};
  StreamId first_stream;  // partitions are consecutive streams
  std::int32_t partitions = 1;
  std::map<std::string, std::string> configs;
  bool internal = false;
  std::int64_t created_ms = 0;
  StreamId stream(std::int32_t partition) const { return StreamId(first_stream.value + static_cast<std::uint64_t>(partition)); }
};

struct Source {
  TenantId tenant;
  sql::Source definition;
};

// A persistent query. It is bound again from `statement` at every start, against the sources it was made from.
struct Query {
  TenantId tenant;
  std::string id;         // CSAS_NAME_7
  std::string statement;
  std::string sink;       // source name
  std::vector<std::string> sources;
  StreamId positions;     // its input positions, one record per output group
  bool from_earliest = true;
  std::map<std::string, std::string> properties;
  std::int64_t created_ms = 0;
};

struct Connector {
  TenantId tenant;
  std::string name;
  std::map<std::string, std::string> config;  // as given, secrets included: never show it without masking
  StreamId positions;                         // its source positions, in the same appends as the events
  std::int64_t created_ms = 0;
};

// Changes. Ids (streams, uuid, created_ms) are filled in by the catalogue.
struct CreateTopic { TenantId tenant; std::string name; std::int32_t partitions = 1; std::map<std::string, std::string> configs; bool internal = false; };
struct DeleteTopic { TenantId tenant; std::string name; };
struct PutSource { TenantId tenant; sql::Source definition; bool replace = false; };
struct DropSource { TenantId tenant; std::string name; };
struct PutQuery { Query query; };
struct DropQuery { TenantId tenant; std::string id; };
struct PutConnector { TenantId tenant; std::string name; std::map<std::string, std::string> config; };  // replaces the config, keeps the positions
struct DropConnector { TenantId tenant; std::string name; };
using Change = std::variant<CreateTopic, DeleteTopic, PutSource, DropSource, PutQuery, DropQuery, PutConnector, DropConnector>;

using Done = std::move_only_function<void(Result<Jsn>)>;

class Catalog {
 public:
  virtual ~Catalog() = default;

  // Loads the newest snapshot in dir, follows the log to its durable end. Blocking; call at start.
  static Result<std::unique_ptr<Catalog>> open(log::Log& log, world::Disk& disk, world::Clock& clock, world::Random& random, std::string dir);

  // All of them or none. Errors before anything is written: Code::already_exists, Code::not_found, Code::invalid (names, counts).
  virtual void change(std::vector<Change> changes, Done done) = 0;
  // The same, waiting; for blocking threads and start-up, never on a loop.
  Result<Jsn> change_and_wait(std::vector<Change> changes);

  virtual std::shared_ptr<const Topic> find_topic(TenantId tenant, std::string_view name) const = 0;
  virtual std::shared_ptr<const Topic> find_topic(const Uuid& uuid) const = 0;
  // Whose partition a stream is; null when it is not one of a topic that exists.
  virtual std::shared_ptr<const Topic> topic_of(StreamId stream) const = 0;
  virtual std::shared_ptr<const Source> find_source(TenantId tenant, std::string_view name) const = 0;
  virtual std::shared_ptr<const Query> find_query(TenantId tenant, std::string_view id) const = 0;
  virtual std::shared_ptr<const Connector> find_connector(TenantId tenant, std::string_view name) const = 0;

  // Sorted by name.
  virtual std::vector<std::shared_ptr<const Topic>> topics(TenantId tenant) const = 0;
  virtual std::vector<std::shared_ptr<const Source>> sources(TenantId tenant) const = 0;
  virtual std::vector<std::shared_ptr<const Query>> queries(TenantId tenant) const = 0;
  virtual std::vector<std::shared_ptr<const Connector>> connectors(TenantId tenant) const = 0;
  // Of all tenants, for start-up, in the order they were made.
  virtual std::vector<std::shared_ptr<const Query>> all_queries() const = 0;
  virtual std::vector<std::shared_ptr<const Connector>> all_connectors() const = 0;

  // A number that rises with every change of this tenant; ids such as CSAS_X_<n> are made from it.
  virtual std::int64_t next_number(TenantId tenant) const = 0;

  // Records of the stream that are damaged in the log: definitions that may be missing.
  virtual std::int64_t lost_records() const = 0;

  // Writes a snapshot so that the next start replays less. At clean stop and now and then.
  virtual Result<void> snapshot() = 0;
};

// Topic names: 1 to 249 of [A-Za-z0-9._-], not . or .. (Kafka's rule).
Result<void> check_topic_name(std::string_view name);

}  // namespace tidemill::catalog
