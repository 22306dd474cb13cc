"""A campaign is worth what its checks find: each kind of damage, planted in a good history, is found."""

import copy

import captured
from captured import Event

SOURCE = {"lsn": 100}


def value(op, before, after, tx=None, lsn=0, order=0):
    return {"op": op, "before": before, "after": after, "source": SOURCE, "transaction": tx and {"id": f"{tx}:{lsn}", "total_order": order}}


def row(key, ver):
    return {"id": key, "ver": ver}


def history():
    """Two rows of a snapshot; then a transaction that changes one and makes another, and one that deletes it."""
    records = [(1, value("r", None, row(1, 1))), (2, value("r", None, row(2, 2))),
               (1, value("u", row(1, 1), row(1, 3), 7, 200, 1)), (3, value("c", None, row(3, 4), 7, 200, 2)),
               (3, value("d", row(3, 4), None, 8, 300, 1)), (3, None)]
    return [Event(n, key, v) for n, (key, v) in enumerate(records)]


class Audit:
    lines = ["7\torders\tu\t1\t3\t0/B0", "7\torders\tc\t3\t4\t0/B1", "8\torders\td\t3\t4\t0/110"]

    def sql(self, text):
        return "\n".join(self.lines)


def complaint(events, audit=None):
    for n, event in enumerate(events):
        event.offset = n
    try:
        _, snapshot = captured.check_order(events)
        captured.check_audit(audit or Audit(), {"orders": events}, {"orders": snapshot})
    except AssertionError as error:
        return str(error)
    return None


def test_a_good_history_passes():
    assert complaint(history()) is None


def test_a_lost_event_is_found():
    for lost in (2, 3, 4, 5):
        events = history()
        del events[lost]
        assert complaint(events), f"the loss of record {lost} was not found"


def test_a_lost_transaction_is_found():
    assert complaint(history()[:4]), "the end of the topic is missing"
    assert complaint(history()[:2] + history()[4:])


def test_a_doubled_event_is_found():
    for doubled in range(6):
        events = history()
        events.insert(doubled + 1, copy.copy(events[doubled]))
        assert complaint(events), f"the doubling of record {doubled} was not found"


def test_swapped_events_are_found():
    for at in (2, 3, 4):
        events = history()
        events[at], events[at + 1] = events[at + 1], events[at]
        assert complaint(events), f"the swap of records {at} and {at + 1} was not found"


def test_an_event_of_a_transaction_that_was_rolled_back_is_found():
    events = history()
    events.append(Event(6, 9, value("c", None, row(9, 9), 99, 400, 1)))
    assert "not committed" in complaint(events)


def test_a_whole_life_that_left_no_event_is_found():
    class More(Audit):
        lines = [*Audit.lines, "9\torders\tc\t5\t8\t0/120", "9\torders\td\t5\t8\t0/121"]
    assert "no event tells" in complaint(history(), More())


def test_a_missing_offset_is_found():
    events = history()
    events[3].offset = 7
    try:
        captured.check_order(events)
    except AssertionError as error:
        assert "offset 3 is missing" in str(error)
    else:
        raise AssertionError("a gap in the offsets was not found")
