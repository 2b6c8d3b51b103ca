"""Names from any source as text that is safe to show: one line, valid UTF-8, in reading order."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return ``text`` with control characters, line ends and undecodable bytes written as escapes.

    Marks that change the direction of writing are among them.
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
