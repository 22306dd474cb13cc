"""What the SQL scripts share: statements with earliest as the default, records in, rows out, waiting for an answer."""

import json
import subprocess
import threading

from harness import Server, http, wait_for

EARLIEST = {"auto.offset.reset": "earliest"}


class Mill(Server):
    def run(self, text):
        return self.ksql(text, EARLIEST).json

    def refused(self, text, path="/ksql", status=400):
        answer = http("POST", self.url("ksql", path), {"ksql": text, "streamsProperties": EARLIEST})
        assert answer.status == status, f"{text}\n{answer.status}: {answer.body.decode()}"
        return answer.json

    def put(self, topic, *values, key=None):
        """One record a value: a dict as JSON, None as a tombstone, text as it is. In order, to partition 0."""
        key = key.encode() if isinstance(key, str) else key
        lines, tombstones = [], [value is None for value in values]
        for n, value in enumerate(values):
            text = value if isinstance(value, (str, bytes)) else "" if value is None else json.dumps(value)
            lines.append((b"" if key is None else key + b"\x01") + (text.encode() if isinstance(text, str) else text))
            if n + 1 == len(values) or tombstones[n + 1] != tombstones[n]:
                self.kcat("-P", "-t", topic, "-p", "0", "-D", "\x02", *(["-Z"] if value is None else []), *([] if key is None else ["-K", "\x01"]), input=b"\x02".join(lines))
                lines.clear()

    def lines(self, topic, values):
        """Many JSON values at once."""
        self.kcat("-P", "-t", topic, "-p", "0", input="".join(json.dumps(v) + "\n" for v in values).encode())

    def values(self, topic):
        return [json.loads(line) if line else None for line in self.records(topic, "%s\n").splitlines()]

    def wait_values(self, topic, count):
        wait_for(f"{count} records in {topic}", lambda: len(self.records(topic, "%o\n").splitlines()) >= count)
        return self.values(topic)

    def push(self, text, properties=EARLIEST):
        """All parts of the answer to a push query that ends by its LIMIT."""
        answer = http("POST", self.url("ksql", "/query"), {"ksql": text, "streamsProperties": properties})
        assert answer.status == 200, answer.body
        return answer.json

    def expect(self, text, rows):
        rows = sorted(rows, key=repr)
        wait_for(f"{text} to answer {rows}", lambda: self._same(sorted(self.query(text), key=repr), rows))

    @staticmethod
    def _same(found, rows):
        assert found == rows, f"it answers {found}"
        return True

    def compute(self, expressions, declared="A INTEGER", record=None):
        """The values of expressions over one record of a stream with the declared columns."""
        self.made = getattr(self, "made", 0) + 1
        topic = f"compute{self.made}"
        self.run(f"CREATE STREAM {topic} ({declared}) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON', PARTITIONS=1);")
        self.put(topic, record or {})
        return self.query(f"SELECT {', '.join(f'{e} AS R{i}' for i, e in enumerate(expressions))} FROM {topic} EMIT CHANGES LIMIT 1;", EARLIEST)[0]


class Reader:
    """A push query over a raw connection, read line by line in a thread of its own."""

    def __init__(self, server, text, properties=EARLIEST, path="/query"):
        body = json.dumps({"ksql": text, "streamsProperties": properties})
        self.process = subprocess.Popen(["curl", "-sN", "-X", "POST", server.url("ksql", path), "-d", body], stdout=subprocess.PIPE)
        self.text = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.text.append(line.decode())

    def rows(self):
        return [json.loads(line.strip().rstrip(","))["row"] for line in self.text if '"row"' in line]

    def wait(self, count):
        wait_for(f"{count} rows of a push query", lambda: len(self.rows()) >= count)
        return [row["columns"] for row in self.rows()]

    def close(self):
        self.process.kill()
        self.process.wait()
