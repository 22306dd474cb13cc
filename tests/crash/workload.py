"""What changes the database while the server is being killed: concurrent sessions of psql, each a loop of small transactions with
inserts, updates, deletes, key changes, rollbacks, contention, and now and then a big one. The seed fixes every choice; what the sessions do
to each other is left to PostgreSQL.

PostgreSQL keeps its own account of what was committed: a trigger writes one row of `audit` per change, in the same transaction. The
version in column `ver` is new at every change, so that each event names its predecessor."""

import random
import subprocess
import threading
import time

INITIAL_ORDERS = 200_000
CUSTOMERS = 400
ACCOUNTS = 50
STATUSES = ("placed", "paid", "packed", "shipped", "returned")

TABLES = """
SET client_min_messages = warning;
CREATE SEQUENCE versions;
CREATE SEQUENCE order_ids START 10000000;
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, status text NOT NULL, amount bigint NOT NULL, price numeric(10,2),
  note text, placed timestamptz NOT NULL DEFAULT clock_timestamp(), ver bigint NOT NULL);
CREATE TABLE accounts (id int PRIMARY KEY, kind text NOT NULL, balance bigint NOT NULL, ver bigint NOT NULL);
CREATE TABLE audit (tx bigint NOT NULL, source text NOT NULL, op char NOT NULL, id bigint NOT NULL, ver bigint NOT NULL,
  at pg_lsn NOT NULL DEFAULT pg_current_wal_insert_lsn());
ALTER TABLE orders REPLICA IDENTITY FULL;
ALTER TABLE accounts REPLICA IDENTITY FULL;
INSERT INTO orders SELECT n, n % CUSTOMERS, (ARRAY['placed','paid','packed','shipped','returned'])[1 + n % 5], n % 1000, n / 100.0,
  CASE n % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'line\\nbreak \\t "quoted" \\\\ back' WHEN 3 THEN 'Grüße, 水車 🌊' ELSE 'order ' || n END,
  '2026-01-01 00:00:00+00'::timestamptz + n * interval '1.000001 second', nextval('versions') FROM generate_series(1, ORDERS) n;
INSERT INTO accounts SELECT n, 'account', 1000, nextval('versions') FROM generate_series(1, ACCOUNTS) n;
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN INSERT INTO audit VALUES (txid_current(), TG_TABLE_NAME, 'd', OLD.id, OLD.ver); END IF;
  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN INSERT INTO audit VALUES (txid_current(), TG_TABLE_NAME, 'c', NEW.id, NEW.ver); END IF;
  IF TG_OP = 'UPDATE' AND OLD.id = NEW.id THEN INSERT INTO audit VALUES (txid_current(), TG_TABLE_NAME, 'u', NEW.id, NEW.ver); END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION next_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.ver := nextval('versions'); RETURN NEW; END $$;
CREATE TRIGGER version BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION next_version();
CREATE TRIGGER version BEFORE INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION next_version();
CREATE TRIGGER change AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER change AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION note_change();
"""


def make_tables(postgres, orders=INITIAL_ORDERS):
    postgres.sql(TABLES.replace("CUSTOMERS", str(CUSTOMERS)).replace("ORDERS", str(orders)).replace("ACCOUNTS", str(ACCOUNTS)))


class Session:
    """A psql fed through its standard input; run() returns when the transaction is done, committed or not."""

    def __init__(self, postgres):
        command = [*postgres.psql_command(), "-At"]
        command[command.index("ON_ERROR_STOP=1")] = "ON_ERROR_STOP=0"  # a deadlock rolls one transaction back, not the session
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=postgres.environment(), text=True)

    def run(self, text):
        self.process.stdin.write(text + "\n\\echo done\n")
        self.process.stdin.flush()
        while (line := self.process.stdout.readline()) != "done\n":
            if not line:
                raise RuntimeError("psql has ended")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Chooser:
    """Makes transactions, each a text."""

    def __init__(self, rng):
        self.rng = rng
        self.kinds = [(self.insert, 40), (self.update, 20), (self.delete, 8), (self.many, 6), (self.rolled_back, 5), (self.savepoint, 5),
                      (self.key_change, 2), (self.transfer, 10), (self.churn, 4)]

    def next(self):
        kinds, weights = zip(*self.kinds)
        return self.rng.choices(kinds, weights)[0]()

    def order(self):
        """Mostly one of the first rows, so that sessions meet and the snapshot races with changes."""
        if self.rng.random() < 0.6:
            return str(self.rng.randint(1, INITIAL_ORDERS))
        return f"(SELECT last_value - {self.rng.randint(0, 300)} FROM order_ids)"

    def values(self):
        r = self.rng
        note = r.choice(["NULL", "''", "'plain'", "E'tab\\there \"and\" \\\\ there'", "'Ünïcødé 🌊'", "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 120))"])
        return f"(nextval('order_ids'), {r.randrange(CUSTOMERS)}, '{r.choice(STATUSES)}', {r.randint(-500, 5000)}, {r.randint(-10**6, 10**6) / 100}, {note}, now(), 0)"

    def insert(self):
        return "INSERT INTO orders VALUES " + ", ".join(self.values() for _ in range(self.rng.choice([1, 1, 1, 3]))) + ";"

    def update(self):
        r = self.rng
        change = r.choice([f"status = '{r.choice(STATUSES)}'", f"amount = amount + {r.randint(-50, 50)}", f"customer = {r.randrange(CUSTOMERS)}, note = note || '+'"])
        return f"UPDATE orders SET {change} WHERE id = {self.order()};"

    def delete(self):
        return f"DELETE FROM orders WHERE id = {self.order()};"

    def many(self):
        r = self.rng
        return f"UPDATE orders SET status = '{r.choice(STATUSES)}' WHERE id IN (SELECT id FROM orders WHERE customer = {r.randrange(CUSTOMERS)} ORDER BY id LIMIT 20);"

    def rolled_back(self):
        return f"BEGIN; {self.insert()} {self.update()} {self.delete()} ROLLBACK;"

    def savepoint(self):
        return f"BEGIN; {self.insert()} SAVEPOINT s; {self.insert()} {self.update()} ROLLBACK TO s; {self.update()} COMMIT;"

    def key_change(self):
        return f"UPDATE orders SET id = nextval('order_ids') WHERE id = {self.order()};"

    def transfer(self):
        a, b = self.rng.sample(range(1, ACCOUNTS + 1), 2)
        n = self.rng.randint(1, 100)
        return f"BEGIN; UPDATE accounts SET balance = balance - {n} WHERE id = {a}; UPDATE accounts SET balance = balance + {n} WHERE id = {b}; COMMIT;"

    def churn(self):
        """One key through its whole life in one transaction, and again."""
        v = self.values().replace("nextval('order_ids')", "currval('order_ids')", 1)
        return (f"BEGIN; SELECT nextval('order_ids'); INSERT INTO orders VALUES {v}; UPDATE orders SET amount = amount + 1 WHERE id = currval('order_ids'); "
                f"DELETE FROM orders WHERE id = currval('order_ids'); INSERT INTO orders VALUES {v}; COMMIT;")


class Workload:
    """`sessions` threads at `rate` transactions per second together, and one that makes a big transaction every `big_every_s`."""

    def __init__(self, postgres, seed, sessions=4, rate=160, big_rows=6000, big_every_s=20):
        self.stopping = threading.Event()
        self.transactions = 0
        self.errors = []
        self.postgres = postgres
        jobs = [(self.trade, random.Random(f"{seed}/{n}"), sessions / rate) for n in range(sessions)] + [(self.bulk, big_rows, big_every_s)]
        self.threads = [threading.Thread(target=self.guarded, args=job, daemon=True) for job in jobs]
        for thread in self.threads:
            thread.start()

    def guarded(self, job, *arguments):
        session = Session(self.postgres)
        try:
            job(session, *arguments)
        except Exception as error:  # shown by stop(): a broken load must not look like a quiet one
            self.errors.append(error)
        finally:
            session.close()

    def trade(self, session, rng, pause_s):
        chooser = Chooser(rng)
        due = time.monotonic()
        while not self.stopping.is_set():
            session.run(chooser.next())
            self.transactions += 1
            due = max(due + pause_s, time.monotonic() - 1)
            self.stopping.wait(max(0, due - time.monotonic()))

    def bulk(self, session, rows, every_s):
        made = 0
        while not self.stopping.wait(every_s):
            first = 10**9 + made * rows
            session.run(f"INSERT INTO orders SELECT n, n % {CUSTOMERS}, 'bulk', n % 17, NULL, 'bulk', now(), 0 FROM generate_series({first}, {first + rows - 1}) n;")
            if made % 2:
                session.run(f"BEGIN; UPDATE orders SET amount = amount + 1 WHERE status = 'bulk'; DELETE FROM orders WHERE status = 'bulk' AND id % 3 <> 0; COMMIT;")
            made += 1

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.errors, self.errors
        assert self.transactions > 100, f"the load made only {self.transactions} transactions"
