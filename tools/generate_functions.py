#!/usr/bin/env python3
"""spec/functions.toml -> the binder's function table and docs/functions.md."""
import re
import sys
import tomllib

KINDS = {"BOOLEAN": "boolean", "INTEGER": "integer", "BIGINT": "bigint", "DOUBLE": "double_", "DECIMAL": "decimal", "STRING": "string",
         "BYTES": "bytes", "DATE": "date", "TIME": "time", "TIMESTAMP": "timestamp"}
ORDER = ["CONDITIONAL", "MATHEMATICAL", "STRING", "JSON", "DATE / TIME", "OTHER"]


def overload(text):
    match = re.fullmatch(r"\((.*)\) -> (.+)", text)
    if not match:
        sys.exit(f"functions.toml: cannot read overload {text!r}")
    parameters = [p.strip() for p in match[1].split(",")] if match[1] else []
    variadic = bool(parameters) and parameters[-1].endswith("...")
    parameters = [p.removesuffix("...") for p in parameters]
    return parameters, variadic, match[2]


def parameter(name):
    if name in ("T", "ORDERED"):
        return f"{{Parameter::Rule::{'any' if name == 'T' else 'ordered'}, record::Kind::string}}"
    return f"{{Parameter::Rule::kind, record::Kind::{KINDS[name]}}}"


def result(name):
    if name in ("T", "same", "whole"):
        return f"Overload::Rule::{ {'T': 'generic', 'same': 'same', 'whole': 'whole'}[name] }, record::Type()"
    if name.startswith("ARRAY<"):
        return f"Overload::Rule::type, record::Type::array(record::Kind::{KINDS[name[6:-1]]})"
    return f"Overload::Rule::type, record::Type(record::Kind::{KINDS[name]})"


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def table(functions):
    out = ["// Generated from spec/functions.toml.", '#include "sql/functions.h"', "", "namespace tidemill::sql {", "",
           "const std::vector<Function>& scalar_functions() {", "  static const std::vector<Function> all = {"]
    for f in functions:
        out.append(f"    {{{quote(f['name'])}, {quote(f['category'])}, {quote(f['doc'])}, {'true' if f.get('clock') else 'false'}, {{")
        for text in f["overloads"]:
            parameters, variadic, returns = overload(text)
            out.append(f"      {{{{{', '.join(parameter(p) for p in parameters)}}}, {'true' if variadic else 'false'}, {result(returns)}}},")
        out.append("    }},")
    return "\n".join(out + ["  };", "  return all;", "}", "", "}  // namespace tidemill::sql", ""])


def page(functions):
    out = ["# Functions", "", "Generated from `spec/functions.toml`. Arguments are converted where the dialect converts implicitly",
           "(INTEGER to BIGINT to DECIMAL to DOUBLE); a NULL argument gives NULL unless the text says otherwise.", "", "## Aggregates", "",
           "| Function | Result | Over tables | |", "|---|---|---|---|",
           "| `COUNT(*)`, `COUNT(x)` | BIGINT | yes | Rows; rows where x is not NULL |",
           "| `SUM(x)` | the type of x | yes | 0 when every x is NULL |", "| `AVG(x)` | DOUBLE | yes | 0.0 when every x is NULL |",
           "| `MIN(x)`, `MAX(x)` | the type of x | no | NULLs are ignored |", ""]
    for category in ORDER:
        out += [f"## {category.capitalize()}", "", "| Function | | Example |", "|---|---|---|"]
        for f in functions:
            if f["category"] == category:
                shapes = "<br>".join("`" + f["name"] + text + "`" for text in f["overloads"])
                out.append(f"| {shapes} | {f['doc']} | `{f['example']}` |".replace("||", "\\|\\|"))
        out.append("")
    return "\n".join(out)


def main():
    spec, table_path, page_path = sys.argv[1:]
    with open(spec, "rb") as file:
        functions = sorted(tomllib.load(file)["function"], key=lambda f: f["name"])
    for path, text in ((table_path, table(functions)), (page_path, page(functions))):
        with open(path, "w") as file:
            file.write(text)


main()
