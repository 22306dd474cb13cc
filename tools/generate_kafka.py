#!/usr/bin/env python3
"""Makes from spec/kafka: C++ message structs with their codecs (--cpp DIR), docs/kafka-apis.md (--docs FILE), golden bytes
(--golden DIR), seeds for the fuzzer (--seeds DIR). Files whose content has not changed are not touched."""

import argparse
from pathlib import Path

import kafka_golden
from kafka_spec import NUMBERS, load

HEAD = "// Made from spec/kafka by tools/generate_kafka.py; do not edit.\n"
CPP = {"int8": "std::int8_t", "int16": "std::int16_t", "int32": "std::int32_t", "int64": "std::int64_t", "bool": "bool",
       "uuid": "Uuid", "records": "Records"}


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


TOPIC_CONFIGS = """# Topic configurations

CreateTopics takes all of Kafka's, with Kafka's types and ranges; a name or value that does not fit is INVALID_CONFIG and names it. Where the last column
is empty the value is kept and shown and changes nothing: there is one copy of everything, and files belong to no topic.

| Name | Type | Default | Means here |
|---|---|---|---|
"""

SYNC = """# When a record is acknowledged

acks=1 and acks=all are answered when the record is on disk, synced. acks=0 is not answered at all.

A topic may opt out: created with `flush.messages` above 1 or `flush.ms` above 0, it is answered when the record is written but not yet synced, and
a crash of the machine (not of the server alone) may lose what was acknowledged in the last moments, 10 ms or so; consumers never see such a record before it
is safe. The server warns of it when the topic is made (`topic.not_synced`). Kafka's own default for both, 9223372036854775807, says nothing here, so that tools
that copy whole configurations lose no durability; and `flush.messages=1` or `flush.ms=0`, the defaults here, win over the other one.
"""


class MessageWriter:
    """C++ for one message: its structs, read() and write()."""

    def __init__(self, message):
        self.message = message
        # A request points into the frame it came in; a response owns its strings.
        self.text = "std::string_view" if message.name.endswith("Request") else "std::string"

    # --- the structs

    def type_of(self, field):
        one = field.type if field.struct else self.text if field.type == "string" else CPP[field.type]
        if field.array:
            one = f"std::vector<{one}>"
        return f"std::optional<{one}>" if field.nullable else one

    def default_of(self, field):
        if field.default is None or field.default == "null":
            return "" if field.nullable or field.array or field.type in ("string", "records", "uuid") or field.struct else \
                " = false" if field.type == "bool" else " = 0"
        if field.default == "-2147483648":
            return " = INT32_MIN"
        return f" = {field.default}"

    def struct(self, name, fields, indent=""):
        out = [f"{indent}struct {name} {{"]
        if not indent:
            m = self.message
            out.append(f"  static constexpr std::int16_t lowest = {m.versions.low}, highest = {m.versions.high}, "
                       f"flexible = {m.flexible};")
        for field in fields:
            if field.struct:
                out.append(self.struct(field.type, field.fields, indent + "  "))
        out += [f"{indent}  {self.type_of(f)} {f.name}{self.default_of(f)};" for f in fields]
        if not indent:
            out.append(f"  static Result<{name}> decode(Decoder& in, std::int16_t version);")
            out.append("  void encode(Encoder& out, std::int16_t version) const;")
        out.append(f"{indent}}};")
        return "\n".join(out)

    # --- conditions

    def when(self, versions):
        parts, whole = [], self.message.versions
        if versions.low > whole.low:
            parts.append(f"v >= {versions.low}")
        if versions.high < whole.high:
            parts.append(f"v <= {versions.high}")
        return " && ".join(parts)

    def served(self, field):
        return field.versions.low <= self.message.versions.high and field.versions.high >= self.message.versions.low

    def guarded(self, condition, statements, indent="  "):
        if not condition:
            return [indent + s for s in statements]
        if len(statements) == 1 and not statements[0].startswith("if"):
            return [f"{indent}if ({condition}) {statements[0]}"]
        return [f"{indent}if ({condition}) {{"] + [f"{indent}  {s}" for s in statements] + [f"{indent}}}"]

    # --- sizes: the fewest bytes an element can take in any version, to refuse impossible counts before allocating

    def least(self, field):
        if field.array or field.type in ("string", "records"):
            return 1
        if field.struct:
            return self.least_of(field.fields)
        return {"bool": 1, "uuid": 16, **NUMBERS}[field.type]

    def least_of(self, fields):
        def at(version):
            size = 1 if version >= self.message.flexible else 0
            return size + sum(self.least(f) for f in fields if f.tag is None and version in f.versions)
        return max(1, min(at(version) for version in self.message.versions_list()))

    # --- reading

    def read_one(self, field, target):
        if field.struct:
            return f"read(in, v, {target});"
        if field.type in NUMBERS:
            return f"{target} = in.number<{CPP[field.type]}>();"
        return {"bool": f"{target} = in.boolean();", "uuid": f"{target} = in.uuid();",
                "string": f"{target} = in.text(flexible);", "records": f"{target} = in.records(flexible);"}[field.type]

    def read_field(self, field):
        name = f"out.{field.name}"
        if field.array:
            least = self.least_of(field.fields) if field.struct else self.least(field)
            item = self.read_one(field, "item")
            if field.nullable:
                return [f"if (auto count = in.count(flexible, {least}); count >= 0) {{",
                        f"  {name}.emplace(static_cast<std::size_t>(count));", f"  for (auto& item : *{name}) {item}",
                        "} else {", f"  {name}.reset();", "}"]
            return [f"{name}.resize(in.count_or_empty(flexible, {least}));", f"for (auto& item : {name}) {item}"]
        if field.nullable:
            call = "text_or_null" if field.type == "string" else "records_or_null"
            if field.type == "string" and self.text == "std::string":
                return [f"{name} = owned(in.{call}(flexible));"]
            return [f"{name} = in.{call}(flexible);"]
        return [self.read_one(field, name)]

    def reader(self, path, fields):
        out = [f"void read(Decoder& in, std::int16_t v, {path}& out) {{"]
        out.append(f"  [[maybe_unused]] const bool flexible = v >= {self.message.flexible};")
        tagged = [f for f in fields if f.tag is not None and self.served(f)]
        for field in fields:
            if field.tag is None and self.served(field):
                out += self.guarded(self.when(field.versions), self.read_field(field))
        if not tagged:
            out.append("  if (flexible) in.skip_tags();")
        else:
            out.append("  if (flexible) in.tags([&](std::uint32_t tag) {")
            for field in tagged:
                condition = " && ".join(filter(None, [f"tag == {field.tag}", self.when(field.versions)]))
                out += self.guarded(condition, self.read_field(field) + ["return true;"], "    ")
            out += ["    return false;", "  });"]
        return "\n".join(out + ["}"])

    # --- writing

    def write_one(self, field, value, to="out"):
        if field.struct:
            return f"write({to}, v, {value});"
        call = {"bool": "boolean", "uuid": "uuid"}.get(field.type, "number")
        if field.type in ("string", "records"):
            return f"{to}.{'text' if field.type == 'string' else 'records'}({value}, flexible);"
        return f"{to}.{call}({value});"

    def write_field(self, field, to="out"):
        name = f"in.{field.name}"
        null_when = self.when(field.nullable) if field.nullable else ""
        if field.array:
            each = self.write_one(field, "item", to)
            if field.nullable:
                allowed = null_when or "true"
                return [f"{to}.count(in.{field.name} ? &*{name} : nullptr, flexible, {allowed});",
                        f"if ({name}) for (const auto& item : *{name}) {each}"]
            return [f"{to}.count(&{name}, flexible, false);", f"for (const auto& item : {name}) {each}"]
        if field.nullable:
            call = "text_or_null" if field.type == "string" else "records_or_null"
            return [f"{to}.{call}({name}, flexible, {null_when or 'true'});"]
        return [self.write_one(field, name, to)]

    def differs(self, field):
        name = f"in.{field.name}"
        if field.nullable:
            return f"{name}.has_value()"
        if field.array:
            return f"!{name}.empty()"
        if field.struct:
            return " || ".join(f"{name}.{f.name} != {self.standard(f)}" for f in field.fields)
        return f"{name} != {self.standard(field)}"

    def standard(self, field):
        return {"uuid": "Uuid()", "string": '""'}.get(field.type) or self.default_of(field).removeprefix(" = ")

    def writer(self, path, fields):
        out = [f"void write(Encoder& out, std::int16_t v, const {path}& in) {{"]
        out.append(f"  [[maybe_unused]] const bool flexible = v >= {self.message.flexible};")
        for field in fields:
            if field.tag is None and self.served(field):
                out += self.guarded(self.when(field.versions), self.write_field(field))
        out.append("  if (!flexible) return;")
        out.append("  Tags tags;")
        for field in sorted((f for f in fields if f.tag is not None and self.served(f)), key=lambda f: f.tag):
            condition = " && ".join(filter(None, [self.when(field.versions), f"({self.differs(field)})"]))
            statements = [f"auto& tagged = tags.add({field.tag});"] + self.write_field(field, "tagged")
            out += self.guarded(condition, statements)
        out.append("  out.tags(tags);")
        return "\n".join(out + ["}"])

    def functions(self):
        parts = []

        def walk(path, fields):
            for field in fields:
                if field.struct:
                    walk(f"{path}::{field.type}", field.fields)
            parts.append(self.reader(path, fields))
            parts.append(self.writer(path, fields))

        name = self.message.name
        walk(name, self.message.fields)
        entry = (f"Result<{name}> {name}::decode(Decoder& in, std::int16_t version) {{\n  {name} message;\n"
                 f"  read(in, version, message);\n  if (!in.ok()) return in.error(\"{name}\", version);\n"
                 f"  return message;\n}}\n\n"
                 f"void {name}::encode(Encoder& out, std::int16_t version) const {{ write(out, version, *this); }}")
        return "\n\n".join(parts), entry


def header(api):
    request, response = MessageWriter(api.request), MessageWriter(api.response)
    return (HEAD + "#pragma once\n\n#include \"wire/kafka/codec.h\"\n\nnamespace tidemill::kafka {\n\n"
            + request.struct(api.request.name, api.request.fields) + "\n\n"
            + response.struct(api.response.name, api.response.fields) + "\n\n}  // namespace tidemill::kafka\n")


def source(api):
    bodies, entries = zip(*(MessageWriter(m).functions() for m in (api.request, api.response)))
    return (HEAD + f"#include \"wire/kafka/{api.file}.h\"\n\nnamespace tidemill::kafka {{\nnamespace {{\n\n"
            + "\n\n".join(bodies) + "\n\n}  // namespace\n\n" + "\n\n".join(entries) + "\n\n}  // namespace tidemill::kafka\n")


def api_list(apis):
    rows = "\n".join(f"    {{{a.key}, {a.versions.low}, {a.versions.high}, {a.flexible}, \"{a.name}\"}}," for a in apis)
    keys = "\n".join(f"inline constexpr std::int16_t {a.file}_key = {a.key};" for a in apis)
    return (HEAD + "#pragma once\n\n#include <cstdint>\n\nnamespace tidemill::kafka {\n\n"
            "struct Api {\n  std::int16_t key, lowest, highest, flexible;\n  const char* name;\n};\n\n"
            + keys + f"\n\ninline constexpr Api apis[] = {{\n{rows}\n}};\n\n}}  // namespace tidemill::kafka\n")


def all_messages(apis):
    """Runs a template for the message type of a key: tests and fuzzers go over everything this way."""
    includes = "\n".join(f"#include \"wire/kafka/{a.file}.h\"" for a in apis)

    def cases(side):
        return "\n".join(f"    case {a.key}: return visit.template operator()<{a.name}{side}>();" for a in apis)
    body = "\n\n".join(
        f"template <class Visit>\nauto with_{side.lower()}(std::int16_t key, Visit&& visit) {{\n  switch (key) {{\n{cases(side)}\n"
        f"    default: return decltype(visit.template operator()<{apis[0].name}{side}>()){{}};\n  }}\n}}" for side in ("Request", "Response"))
    return HEAD + f"#pragma once\n\n{includes}\n\nnamespace tidemill::kafka {{\n\n{body}\n\n}}  // namespace tidemill::kafka\n"


def error_codes(errors):
    names = "\n".join(f"  {name} = {e['code']}," for name, e in errors.items())
    rows = "\n".join(f"    {{{e['code']}, \"{name}\", \"{e['text']}\", {str(e['retriable']).lower()}}}," for name, e in errors.items())
    return (HEAD + "#pragma once\n\n#include <cstdint>\n\nnamespace tidemill::kafka {\n\n"
            f"enum ErrorCode : std::int16_t {{\n{names}\n}};\n\n"
            "struct ErrorText {\n  std::int16_t code;\n  const char* name;\n  const char* text;\n  bool retriable;\n};\n\n"
            f"inline constexpr ErrorText error_texts[] = {{\n{rows}\n}};\n\n}}  // namespace tidemill::kafka\n")


def topic_configs(configs):
    rows = "\n".join(
        f"    {{\"{name}\", \"{c['default']}\", ConfigType::{c['type']}_, {c.get('min', 'INT64_MIN')}, {c.get('max', 'INT64_MAX')}, \"{','.join(c.get('choices', []))}\"}},"
        for name, c in sorted(configs.items()))
    return (HEAD + "#pragma once\n\n#include <cstdint>\n\nnamespace tidemill::kafka {\n\n"
            "enum class ConfigType : std::int8_t { boolean_, int_, long_, double_, string_, list_ };\n\n"
            "struct TopicConfig {\n  const char* name;\n  const char* standard;\n  ConfigType type;\n  std::int64_t least, most;\n"
            "  const char* choices;  // comma-separated; empty: anything of the type\n};\n\n"
            f"inline constexpr TopicConfig topic_configs[] = {{\n{rows}\n}};\n\n}}  // namespace tidemill::kafka\n")


def docs(apis, configs):
    rows = "\n".join(f"| {a.key} | {a.name} | {a.versions.low}-{a.versions.high} | {a.flexible} | {a.note} |" for a in apis)
    return ("# Kafka APIs that Tidemill answers\n\nMade from spec/kafka by `tools/generate_kafka.py --docs docs/kafka-apis.md`. "
            "ApiVersions tells clients exactly these ranges.\n\n| Key | API | Versions | Flexible from | Notes |\n|---|---|---|---|---|\n"
            + rows + "\n\n" + TOPIC_CONFIGS
            + "\n".join(f"| {name} | {c['type']} | `{c['default']}` | {c.get('doc', '')} |" for name, c in sorted(configs.items()))
            + "\n\n" + SYNC)


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--spec", default=str(Path(__file__).parent.parent / "spec/kafka"))
    for name in ("cpp", "docs", "golden", "seeds"):
        args.add_argument("--" + name)
    args.add_argument("--list", action="store_true", help="print the names of the C++ sources and stop")
    args = args.parse_args()
    apis, errors, configs = load(args.spec)
    if args.list:
        print(";".join(api.file for api in apis), end="")
    if args.cpp:
        for api in apis:
            write(f"{args.cpp}/{api.file}.h", header(api))
            write(f"{args.cpp}/{api.file}.cc", source(api))
        write(f"{args.cpp}/apis.h", api_list(apis))
        write(f"{args.cpp}/errors.h", error_codes(errors))
        write(f"{args.cpp}/topic_configs.h", topic_configs(configs))
        write(f"{args.cpp}/all_messages.h", all_messages(apis))
    if args.docs:
        write(args.docs, docs(apis, configs))
    if args.seeds:
        for name, seed in kafka_golden.seeds(apis):
            Path(args.seeds).mkdir(parents=True, exist_ok=True)
            Path(args.seeds, name).write_bytes(seed)
    if args.golden:
        for api in apis:
            write(f"{args.golden}/{api.file}.txt", "\n".join(kafka_golden.lines(api)) + "\n")


main()
