"""Kafka frames by hand, right and wrong ones, over a bare socket."""

import socket
import struct

PRODUCE, METADATA, API_VERSIONS = 0, 3, 18


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def varint(n):
    n = n << 1 ^ n >> 63
    out = b""
    while n & ~0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def batch(value, crc_error=0):
    """A record batch with one record."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    record = varint(len(record)) + record
    body = struct.pack(">hiqqqhii", 0, 0, 1700000000000, 1700000000000, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, 9 + len(body), 0, 2, crc32c(body) ^ crc_error) + body


def request(api, version, body=b"", correlation=7):
    return struct.pack(">hhi", api, version, correlation) + string("frames") + body


FLEXIBLE_NAMES = b"\0" + b"\7frames" + b"\0021" + b"\0"  # the rest of a flexible header, then ApiVersions' name and version of the client


def produce(topic, records, version=8, acks=-1):
    return request(PRODUCE, version, struct.pack(">hhi", -1, acks, 5000) + struct.pack(">i", 1) + string(topic) + struct.pack(">iii", 1, 0, len(records)) + records)


def metadata(topic, create=False):
    return request(METADATA, 4, struct.pack(">i", 1) + string(topic) + struct.pack(">b", create))


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)

    def send(self, frame):
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        return self

    def send_raw(self, data):
        self.socket.sendall(data)
        return self

    def receive(self):
        """The next frame, or None when the server has closed the connection."""
        head = self._exactly(4)
        return head and self._exactly(struct.unpack(">i", head)[0])

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            data += part
        return data

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def string(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()


def produce_answer(frame):
    """Error code, base offset and message of the only partition in a Produce v8 answer."""
    r = Reader(frame)
    assert r.take("ii") == (7, 1)
    r.string()
    count, _, error, base, _, _ = r.take("iihqqq")
    assert count == 1
    for _ in range(max(0, r.take("i"))):
        r.take("i")
        r.string()
    return error, base, r.string()
