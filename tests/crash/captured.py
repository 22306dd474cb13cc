"""Reads capture topics and holds them against PostgreSQL's own account: nothing missing, nothing double, everything in order.

A change event names its predecessor: before.ver of a change is after.ver of the change of that row before it. So a lost, doubled or swapped
event breaks a chain; a chain lost as a whole is missed by the audit; a chain cut at its end gives another table."""

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Event:
    __slots__ = ("offset", "key", "op", "before", "after", "txid", "commit_lsn", "order", "lsn", "tombstone")

    def __init__(self, offset, key, value):
        self.offset, self.key = offset, key
        self.tombstone = value is None
        self.op = self.before = self.after = self.txid = self.commit_lsn = self.order = self.lsn = None
        if value is None:
            return
        self.op, self.before, self.after = value["op"], value["before"], value["after"]
        self.lsn = value["source"]["lsn"]
        if block := value.get("transaction"):
            txid, lsn = block["id"].split(":")
            self.txid, self.commit_lsn, self.order = int(txid), lsn_number(lsn), block["total_order"]

    def __repr__(self):
        return f"{'tombstone' if self.tombstone else self.op} of {self.key} at offset {self.offset} (transaction {self.txid}, commit {self.commit_lsn}, order {self.order})"


def lsn_number(text):
    """16/B374D848, or the same as one number, which is how Debezium prints it in a transaction's id."""
    if "/" in text:
        high, low = text.split("/")
        return int(high, 16) << 32 | int(low, 16)
    return int(text)


def read(server, topic):
    events = []
    for line in server.kcat("-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%o\t%S\t%k\t%s\n", timeout=120).split(b"\n")[:-1]:
        offset, size, key, value = line.split(b"\t", 3)
        events.append(Event(int(offset), json.loads(key)["id"], None if size == b"-1" else json.loads(value)))
    return events


def microseconds(text):
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (instant - EPOCH) // timedelta(microseconds=1)


def check_order(events):
    """Offsets without a gap, source positions strictly rising, every row's chain whole, a tombstone behind every delete. Returns the
    table that the topic leads to, and the versions of the snapshot's rows."""
    rows, snapshot, last = {}, {}, (0, 0)
    streamed = set()
    for expected, event in enumerate(events):
        assert event.offset == expected, f"offset {expected} is missing: {event}"
        previous = events[expected - 1] if expected else None
        if event.tombstone:
            assert previous is not None and previous.op == "d" and previous.key == event.key, f"{event} does not follow its delete but {previous}"
            continue
        assert not (previous and previous.op == "d" and not previous.tombstone), f"{previous} has no tombstone behind it"
        if event.op == "r":
            assert event.key not in snapshot, f"the snapshot has this row twice: {event}"
            assert event.key not in streamed, f"a row of the snapshot comes behind its changes: {event}"
            snapshot[event.key] = event.after["ver"]
        else:
            assert event.commit_lsn is not None, f"no transaction block: {event}"
            position = (event.commit_lsn, event.order)
            assert position > last, f"{event} is {'double' if position == last else 'out of order'}: the one before has {last}"
            last = position
            streamed.add(event.key)
        check_link(rows, event)
    assert not events or events[-1].op != "d", f"{events[-1]} has no tombstone behind it"
    return rows, snapshot


def check_link(rows, event):
    known = rows.get(event.key)
    if event.op in "rc":
        assert known is None, f"a row that is already there comes again: {event}, version {known['ver']} then {event.after['ver']}"
    else:
        assert known is not None, f"a change of a row that is not there: {event}"
        assert event.before["ver"] == known["ver"], f"{event} changes version {event.before['ver']}, but the topic was at {known['ver']}"
    if event.op == "d":
        del rows[event.key]
    else:
        assert event.after["id"] == event.key, f"{event} has the row of {event.after['id']}"
        rows[event.key] = event.after


def check_audit(postgres, topics, snapshots):
    """`topics`: source table -> events. Every committed change is there once; what is not was seen by the snapshot. A snapshot that was
    interrupted consists of several looks at the database, so a transaction of that time may be there in part."""
    looked_at = max(e.lsn for events in topics.values() for e in events if e.op == "r")
    seen, unseen = defaultdict(list), []
    for source, events in topics.items():
        for event in events:
            if event.txid is not None:
                row = event.before if event.op == "d" else event.after
                seen[event.txid].append((event.order, event.commit_lsn, (source, event.op, event.key, row["ver"])))
    for tx, audited in read_audit(postgres).items():
        changes = sorted(seen.pop(tx, []))
        missing = Counter(audited.keys()) - Counter(c[2] for c in changes)
        assert not Counter(c[2] for c in changes) - Counter(audited.keys()), f"transaction {tx} has events that nobody committed, or twice: {changes[:20]}"
        late = [c for c in missing if audited[c] > looked_at]
        assert not late, f"transaction {tx}: committed behind the snapshot, but no event tells of it: {late[:5]}"
        unseen += missing
        check_transaction(tx, changes, whole=not missing)
    assert not seen, f"events of transactions that were not committed: {list(seen.items())[:3]}"
    check_unseen(unseen, snapshots)
    return len(unseen)


def read_audit(postgres):
    """Transaction -> {change: position in the write-ahead log when it was made}."""
    audit = defaultdict(dict)
    for line in postgres.sql("SELECT tx, source, op, id, ver, at FROM audit").splitlines():
        tx, source, op, key, ver, at = line.split("\t")
        audit[int(tx)][source, op, int(key), int(ver)] = lsn_number(at)
    return audit


def check_transaction(tx, changes, whole):
    assert len({c[1] for c in changes}) <= 1, f"transaction {tx} has several commit positions"
    orders = [c[0] for c in changes]
    if whole:
        assert orders == list(range(1, len(orders) + 1)), f"transaction {tx}: its events are numbered {orders[:50]}"


def check_unseen(changes, snapshots):
    """The last change of a row that no event tells of is the one that the snapshot saw."""
    last = {}
    for source, op, key, ver in sorted(changes, key=lambda c: (c[3], c[1] == "d")):
        last[source, key] = (op, ver)
    for (source, key), (op, ver) in last.items():
        found = snapshots[source].get(key)
        wanted = None if op == "d" else ver
        assert found == wanted, f"{source} {key}: the last change before the snapshot made version {wanted}, the snapshot has {found}, and no event tells of it"


def database_rows(postgres, table, columns):
    """As read() gives them; times in microseconds."""
    return {row[0]: tuple(row) for row in map(json.loads, postgres.sql(f"SELECT json_build_array({columns}) FROM {table}").splitlines())}


def compare_tables(name, topic_rows, table_rows):
    if topic_rows == table_rows:
        return
    missing, extra = table_rows.keys() - topic_rows.keys(), topic_rows.keys() - table_rows.keys()
    other = [(topic_rows[k], table_rows[k]) for k in topic_rows.keys() & table_rows.keys() if topic_rows[k] != table_rows[k]]
    raise AssertionError(f"{name}: replaying the topic gives another table than PostgreSQL has: {len(missing)} rows missing {sorted(missing)[:5]}, "
                         f"{len(extra)} too many {sorted(extra)[:5]}, {len(other)} differ, first {other[:1]}")
