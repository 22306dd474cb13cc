"""Messages are part of the product: each is kept in golden/NAME.txt, word for word, and must name a remedy. TIDEMILL_GOLDEN=write writes them
anew; read the difference before you commit it."""

import os
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent / "golden"


def check(name, text, **varying):
    """`varying`: what differs from run to run, as word=value; the file has <word> in its place."""
    for word, value in sorted(varying.items(), key=lambda item: -len(str(item[1]))):
        text = text.replace(str(value), f"<{word}>")
    text = text.strip() + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("TIDEMILL_GOLDEN") == "write":
        file.write_text(text)
    expected = file.read_text()
    assert text == expected, f"{name}: the message is now\n{text}and was\n{expected}"
