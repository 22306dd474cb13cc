"""Golden bytes: encodes a sample of each message straight from the tables, without the generated C++, so that the two
must agree. Field values are a running number, so that two swapped fields do not look alike."""


from kafka_spec import NUMBERS


def uvarint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Sampler:
    """Writes one message. `sparse` writes null and defaults wherever they are allowed, else everything is filled."""

    def __init__(self, version, flexible, sparse):
        self.version, self.flexible, self.sparse, self.count = version, flexible, sparse, 0

    def next(self):
        self.count += 1
        return self.count

    def length(self, size, width):
        if self.flexible:
            return uvarint(size + 1)
        return size.to_bytes(width, "big", signed=True)

    def plain(self, kind, name):
        if kind in NUMBERS:
            return self.next().to_bytes(NUMBERS[kind], "big", signed=True)
        if kind == "bool":
            return b"\1"
        if kind == "uuid":
            return bytes(range(self.next(), self.count + 16))
        text = f"{name}-{self.next()}".encode()
        return self.length(len(text), 4 if kind == "records" else 2) + text

    def null(self, field):
        return self.length(-1, 4 if field.array or field.type == "records" else 2)

    def value(self, field):
        one = (lambda: self.struct(field.fields)) if field.struct else (lambda: self.plain(field.type, field.name))
        if not field.array:
            return one()
        count = 0 if self.sparse and not field.struct else 2
        return self.length(count, 4) + b"".join(one() for _ in range(count))

    def struct(self, fields):
        out, tagged = b"", []
        for field in fields:
            if self.version not in field.versions:
                continue
            if field.tag is not None:
                if not self.sparse:
                    tagged.append((field.tag, self.value(field)))
            elif self.sparse and field.nullable and self.version in field.nullable:
                out += self.null(field)
            else:
                out += self.value(field)
        if self.flexible:
            out += uvarint(len(tagged))
            for tag, payload in sorted(tagged):
                out += uvarint(tag) + uvarint(len(payload)) + payload
        return out


def samples(message):
    for version in message.versions_list():
        for name, sparse in (("full", False), ("sparse", True)):
            body = Sampler(version, version >= message.flexible, sparse).struct(message.fields)
            yield version, name, body


def lines(api):
    yield f"# {api.name}: direction, version, fill, body bytes. Written by tools/generate_kafka.py; change spec/kafka instead."
    for side, message in (("request", api.request), ("response", api.response)):
        for version, fill, body in samples(message):
            yield f"{side} {version} {fill} {body.hex() or '-'}"


def seeds(apis):
    """For the fuzzer: direction, API and version as it reads them, then a full body, of the newest version of each message."""
    for number, api in enumerate(apis):
        for direction, message in enumerate((api.request, api.response)):
            version = message.versions.high
            body = Sampler(version, version >= message.flexible, False).struct(message.fields)
            yield message.name, bytes((direction, number, version - message.versions.low)) + body
