"""Reads spec/kafka: message tables into Field trees. Used by generate_kafka.py; the grammar is in spec/kafka/README.md."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ENDLESS = 32767
NUMBERS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8}
PLAIN = {*NUMBERS, "bool", "uuid", "string", "records"}


@dataclass
class Range:
    low: int
    high: int

    def __contains__(self, version):
        return self.low <= version <= self.high


def parse_range(text):
    match = re.fullmatch(r"(\d+)(?:-(\d+)|(\+))?", text)
    if not match:
        raise ValueError(f"not a version range: {text}")
    low = int(match[1])
    return Range(low, int(match[2]) if match[2] else ENDLESS if match[3] else low)


@dataclass
class Field:
    name: str
    type: str              # without the brackets of an array
    array: bool
    versions: Range
    nullable: Range | None = None
    tag: int | None = None
    default: str | None = None
    fields: list = field(default_factory=list)

    @property
    def struct(self):
        return self.type not in PLAIN


def parse_field(line):
    words = line.split()
    array = words[1].startswith("[")
    made = Field(words[0], words[1].strip("[]"), array, parse_range(words[2]))
    for word in words[3:]:
        if word[0] == "?":
            made.nullable = parse_range(word[1:])
        elif word[0] == "@":
            made.tag = int(word[1:])
        elif word[0] == "=":
            made.default = word[1:]
        else:
            raise ValueError(f"cannot read '{word}' in: {line}")
    return made


def parse_table(text):
    top, open_at = [], []
    for line in text.splitlines():
        if not line.strip():
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        made = parse_field(line)
        (top if depth == 0 else open_at[depth - 1].fields).append(made)
        open_at[depth:] = [made]
    return top


@dataclass
class Message:
    name: str
    fields: list
    versions: Range
    flexible: int

    def versions_list(self):
        return range(self.versions.low, self.versions.high + 1)


@dataclass
class Api:
    name: str
    key: int
    versions: Range
    flexible: int
    note: str
    request: Message
    response: Message

    @property
    def file(self):
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()


def load_api(path):
    spec = tomllib.loads(path.read_text())
    versions, flexible = parse_range(spec["versions"]), spec["flexible"]
    sides = [Message(spec["name"] + side, parse_table(spec[side.lower()]), versions, flexible)
             for side in ("Request", "Response")]
    return Api(spec["name"], spec["key"], versions, flexible, spec.get("note", ""), *sides)


def load(folder):
    folder = Path(folder)
    apis = [load_api(path) for path in sorted(folder.glob("*.toml")) if path.name not in ("errors.toml", "topic_configs.toml")]
    errors = tomllib.loads((folder / "errors.toml").read_text())["errors"]
    configs = tomllib.loads((folder / "topic_configs.toml").read_text())["configs"]
    return sorted(apis, key=lambda api: api.key), errors, configs
