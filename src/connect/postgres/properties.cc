// The table of properties that the PostgreSQL connector knows.
#include "connect/postgres/settings.h"

namespace tidemill::connect::postgres {
namespace {

using enum PropertyKind;
using enum Use;

constexpr Property table[] = {
    {"name", text, optional, "", "", "the connector's name"},
    {"connector.class", text, required, "", "", "what to run"},
    {"tasks.max", number, no_effect, "1", "", "a PostgreSQL connector is one task"},
    {"database.hostname", text, required, "", "", "host of the PostgreSQL server"},
    {"database.port", number, optional, "5432", "", "port of the PostgreSQL server"},
    {"database.user", text, required, "", "", "user with REPLICATION and SELECT"},
    {"database.password", secret, optional, "", "", "the user's password"},
    {"database.dbname", text, required, "", "", "database to capture"},
    {"database.sslmode", choice, optional, "prefer", "disable|allow|prefer|require|verify-ca|verify-full", "as libpq has it"},
    {"database.sslrootcert", text, optional, "", "", "file with the root certificates"},
    {"database.sslcert", text, optional, "", "", "file with the client's certificate"},
    {"database.sslkey", text, optional, "", "", "file with the client's key"},
    {"topic.prefix", text, required, "", "", "first part of topic names and name of the source in events"},
    {"plugin.name", choice, optional, "pgoutput", "pgoutput|decoderbufs", "pgoutput is used in any case"},
    {"slot.name", text, optional, "debezium", "", "replication slot"},
    {"slot.drop.on.stop", boolean, no_effect, "false", "", "the slot stays; drop it by pg_drop_replication_slot"},
    {"publication.name", text, optional, "dbz_publication", "", "publication"},
    {"publication.autocreate.mode", choice, optional, "all_tables", "all_tables|filtered|disabled", "how a missing publication is made"},
    {"schema.include.list", regexes, optional, "", "", "schemas to capture"},
    {"schema.exclude.list", regexes, optional, "", "", "schemas not to capture"},
    {"table.include.list", regexes, optional, "", "", "tables to capture, as schema.table"},
    {"table.exclude.list", regexes, optional, "", "", "tables not to capture, as schema.table"},
    {"snapshot.mode", choice, optional, "initial", "initial|initial_only|no_data|never", "what is copied before streaming"},
    {"snapshot.locking.mode", choice, no_effect, "none", "none|shared|custom", "nothing is ever locked"},
    {"snapshot.fetch.size", number, no_effect, "10240", "", "rows are streamed"},
    {"snapshot.max.threads", number, no_effect, "1", "", ""},
    {"snapshot.delay.ms", number, no_effect, "0", "", ""},
    {"decimal.handling.mode", choice, optional, "precise", "precise|double|string", "how numerics are written"},
    {"time.precision.mode", choice, optional, "adaptive", "adaptive|adaptive_time_microseconds|connect", "how times are written"},
    {"interval.handling.mode", choice, optional, "numeric", "numeric|string", "how intervals are written"},
    {"binary.handling.mode", choice, optional, "bytes", "bytes", "how bytea is written"},
    {"tombstones.on.delete", boolean, optional, "true", "", "a null value after each delete"},
    {"skipped.operations", text, optional, "t", "", "of c, u, d, t; none keeps all"},
    {"provide.transaction.metadata", boolean, optional, "false", "", "fills the transaction block of events"},
    {"unavailable.value.placeholder", text, optional, "__debezium_unavailable_value", "", "stands for values the server does not send"},
    {"include.unknown.datatypes", boolean, no_effect, "false", "", "unknown types are always written as text"},
    {"key.converter", choice, optional, "org.apache.kafka.connect.json.JsonConverter", "org.apache.kafka.connect.json.JsonConverter", "keys are JSON"},
    {"value.converter", choice, optional, "org.apache.kafka.connect.json.JsonConverter", "org.apache.kafka.connect.json.JsonConverter", "values are JSON"},
    {"key.converter.schemas.enable", boolean, optional, "true", "", "keys carry their schema"},
    {"value.converter.schemas.enable", boolean, optional, "true", "", "values carry their schema"},
    {"header.converter", text, no_effect, "", "", ""},
    {"transforms", text, optional, "", "", "names of transforms; ExtractNewRecordState is the one known"},
    {"transforms.*", text, optional, "", "", ""},
    {"topic.creation.default.partitions", number, optional, "1", "", "partitions of topics that are made"},
    {"topic.creation.*", text, no_effect, "", "", ""},
    {"producer.override.compression.type", choice, optional, "lz4", "none|gzip|snappy|lz4|zstd", "codec of the batches"},
    {"producer.override.*", text, no_effect, "", "", ""},
    {"heartbeat.interval.ms", number, no_effect, "0", "", "positions advance while the database is idle in any case"},
    {"heartbeat.*", text, no_effect, "", "", ""},
    {"max.batch.size", number, no_effect, "2048", "", "batches form by themselves"},
    {"max.queue.size", number, no_effect, "8192", "", ""},
    {"max.queue.size.in.bytes", number, no_effect, "0", "", ""},
    {"poll.interval.ms", number, no_effect, "500", "", "events are taken as they come"},
    {"errors.*", text, no_effect, "", "", ""},
    {"schema.history.internal.*", text, no_effect, "", "", "there is no schema history"},
    {"exactly.once.support", text, no_effect, "", "", "events and position are always one append"},
    {"transaction.boundary", text, no_effect, "", "", ""},
    {"status.update.interval.ms", number, no_effect, "10000", "", ""},
    {"slot.max.retries", number, no_effect, "6", "", "retried until stopped"},
    {"slot.retry.delay.ms", number, no_effect, "10000", "", ""},
    {"database.tcpKeepAlive", text, no_effect, "", "", ""},
    {"database.server.name", text, no_effect, "", "", "use topic.prefix"},
    {"config.action.reload", text, no_effect, "", "", ""},
};

}  // namespace

std::span<const Property> postgres_properties() { return table; }

}  // namespace tidemill::connect::postgres
