"""Reads topics over a bare socket, batch by batch as the server sends them, and goes on behind what it cannot have: client libraries hide
what was served and stop at the first error."""

import struct

import kafka_frames as frames

FETCH, LIST_OFFSETS = 1, 2
BATCH_HEAD = struct.Struct(">qiibIhi")  # base offset, length, leader epoch, magic, crc, attributes, last offset delta
FETCH_BYTES = 8 << 20


class Answers(frames.Reader):
    def bytes(self):
        size = self.take("i")
        data = self.data[self.at:self.at + max(0, size)]
        self.at += max(0, size)
        return data


def list_offset(connection, topic, partition, timestamp):
    """Error code and offset."""
    body = struct.pack(">ii", -1, 1) + frames.string(topic) + struct.pack(">iiq", 1, partition, timestamp)
    r = Answers(connection.send(frames.request(LIST_OFFSETS, 1, body)).receive())
    r.take("ii")
    r.string()
    _, _, error, _, offset = r.take("iihqq")
    return error, offset


def fetch(connection, topic, partition, offset):
    """Error code and the bytes of the batches."""
    body = struct.pack(">iiiibi", -1, 0, 0, FETCH_BYTES, 0, 1) + frames.string(topic) + struct.pack(">iiqi", 1, partition, offset, FETCH_BYTES)
    frame = connection.send(frames.request(FETCH, 4, body)).receive()
    if frame is None:
        raise AssertionError(f"the server closed the connection of a reader of {topic}/{partition} at {offset}")
    r = Answers(frame)
    r.take("iii")
    r.string()
    _, _, error, _, _ = r.take("iihqq")
    for _ in range(max(0, r.take("i"))):
        r.take("qq")
    return error, r.bytes()


def batches(data):
    """(base offset, offset behind it, bytes without the leader epoch, which rises at a start)."""
    at = 0
    while at + BATCH_HEAD.size <= len(data):
        base, length, _, _, _, _, delta = BATCH_HEAD.unpack_from(data, at)
        if at + 12 + length > len(data):
            return
        yield base, base + delta + 1, data[at:at + 12] + data[at + 16:at + 12 + length]
        at += 12 + length


class Partition:
    """What one partition served: `served` base offset -> bytes; `errors` offset -> error code; `end`."""

    def __init__(self):
        self.served, self.behind, self.errors, self.end = {}, {}, {}, 0


def read_partition(connection, topic, partition, known=None):
    """`known`: what an earlier reading found, to know where the next batch begins behind one that cannot be had."""
    found = Partition()
    error, found.end = list_offset(connection, topic, partition, -1)
    if error:
        found.errors[0] = error
        return found
    starts = sorted(known.served) if known else []
    offset = 0
    while offset < found.end:
        error, data = fetch(connection, topic, partition, offset)
        before = offset
        for base, behind, content in batches(data):
            if behind > offset:
                found.served[base], found.behind[base] = content, behind
                offset = behind
        if offset == before:
            found.errors[offset] = error  # 0: neither bytes nor an error
            offset = next((start for start in starts if start > offset), offset + 1)
    return found


def read_topics(address, topics, known=None):
    """`topics`: name -> partitions. Gives (topic, partition) -> Partition."""
    connection = frames.Connection(address)
    known = known or {}
    return {(topic, p): read_partition(connection, topic, p, known.get((topic, p))) for topic, partitions in topics.items() for p in range(partitions)}
