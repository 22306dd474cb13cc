#include "app/shop.h"

#include <fmt/core.h>
#include <libpq-fe.h>

#include <chrono>
#include <memory>

#include "world/real.h"

namespace tidemill::app {
namespace {

using Database = std::unique_ptr<PGconn, decltype(&PQfinish)>;

constexpr const char* tables = R"(
CREATE TABLE IF NOT EXISTS customers (id bigint PRIMARY KEY, name text NOT NULL, city text NOT NULL, since timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS products (id bigint PRIMARY KEY, name text NOT NULL, price numeric(10,2) NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, product_id bigint NOT NULL, quantity int NOT NULL,
  amount numeric(10,2) NOT NULL, status text NOT NULL, placed timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS pulse (id bigserial PRIMARY KEY, source text NOT NULL);
ALTER TABLE customers REPLICA IDENTITY FULL;
ALTER TABLE products REPLICA IDENTITY FULL;
ALTER TABLE orders REPLICA IDENTITY FULL;
INSERT INTO customers SELECT n, 'customer ' || n, (ARRAY['Bremen','Porto','Cork','Gdansk','Brest'])[1 + n % 5] FROM generate_series(1, 200) n ON CONFLICT DO NOTHING;
INSERT INTO products SELECT n, (ARRAY['rope','lantern','anchor','compass','net','oar','sail','buoy'])[1 + n % 8] || ' ' || n, 5 + n * 1.25 FROM generate_series(1, 40) n
  ON CONFLICT DO NOTHING;
)";

// One customer's visit: place an order; move older ones on; now and then drop one, raise a price, a customer moves.
constexpr const char* visits[] = {
    "INSERT INTO orders (customer_id, product_id, quantity, amount, status) SELECT 1 + {0} % 200, p.id, 1 + {0} % 4, p.price * (1 + {0} % 4), 'placed' FROM products p WHERE p.id = 1 + {0} % 40",
    "UPDATE orders SET status = 'paid' WHERE id = (SELECT max(id) - {0} % 5 FROM orders) AND status = 'placed'",
    "INSERT INTO orders (customer_id, product_id, quantity, amount, status) SELECT 1 + {0} % 200, p.id, 1, p.price, 'placed' FROM products p WHERE p.id = 1 + {0} % 40",
    "UPDATE orders SET status = 'shipped' WHERE id = (SELECT max(id) - 10 - {0} % 20 FROM orders) AND status = 'paid'",
    "DELETE FROM orders WHERE id = (SELECT min(id) FROM orders) AND (SELECT count(*) FROM orders) > 5000",
    "UPDATE products SET price = round(price * (0.98 + ({0} % 5) * 0.01), 2) WHERE id = 1 + {0} % 40",
    "UPDATE customers SET city = (ARRAY['Bremen','Porto','Cork','Gdansk','Brest'])[1 + {0} % 5] WHERE id = 1 + {0} % 200",
    "INSERT INTO orders (customer_id, product_id, quantity, amount, status) SELECT 1 + {0} % 200, p.id, 2, p.price * 2, 'placed' FROM products p WHERE p.id = 1 + {0} % 40",
};

Result<Database> connect(const std::string& conninfo) {
  Database database(PQconnectdb(conninfo.c_str()), PQfinish);
  if (PQstatus(database.get()) != CONNECTION_OK) return fail(Code::unavailable, fmt::format("the shop's database: {}", PQerrorMessage(database.get())));
  return database;
}

Result<void> run(const Database& database, const std::string& sql) {
  std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(database.get(), sql.c_str()), PQclear);
  auto status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
  return fail(Code::io, fmt::format("the shop's database: {}", PQerrorMessage(database.get())));
}

}  // namespace

Result<void> Shop::open(const std::string& conninfo) {
  TRY_ASSIGN(database, connect(conninfo));
  TRY(run(database, "SET client_min_messages = warning"));
  return run(database, tables);
}

Shop::Shop(std::string conninfo, int transactions_per_second)
    : conninfo_(std::move(conninfo)), transactions_per_second_(transactions_per_second), thread_(world::start_thread("shop", [this] { trade(); })) {}

Shop::~Shop() {
  open_ = false;
  thread_.join();
}

void Shop::trade() {
  auto database = connect(conninfo_);
  auto step = std::chrono::nanoseconds(1'000'000'000 / transactions_per_second_);
  auto due = std::chrono::steady_clock::now();
  for (std::uint64_t visit = world::real_random().next() % 1'000'000; open_; ++visit) {
    if (!database || PQstatus(database->get()) != CONNECTION_OK) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      database = connect(conninfo_);
      continue;
    }
    if (run(*database, fmt::format(fmt::runtime(visits[visit % std::size(visits)]), visit))) ++transactions_;
    due += step;
    if (due < std::chrono::steady_clock::now()) due = std::chrono::steady_clock::now();
    std::this_thread::sleep_until(due);
  }
}

Result<void> beat(const std::string& conninfo) {
  thread_local Result<Database> database = connect(conninfo);
  if (!database || PQstatus(database->get()) != CONNECTION_OK) database = connect(conninfo);
  if (!database) return database.error();
  return run(*database, "INSERT INTO pulse (source) VALUES ('demo')");
}

}  // namespace tidemill::app
