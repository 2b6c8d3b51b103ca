"""Output on terminals and in pipes that know fewer characters than featx prints.

A character that a stream cannot encode is written by its ASCII likeness where it has one, else as
the escape of JSON (``\\u00e9``), which loses nothing.
"""

from __future__ import annotations

import codecs
import io
from typing import Any

HANDLER = "featx"
CODEC = "featx_ascii"
ASCII = {
    "±": "+/-",
    "×": "x",
    "→": "->",
    "…": "...",
    "–": "-",
    "—": "-",
    "·": "-",
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "²": "^2",
    "½": "1/2",
    "µ": "u",
    "°": " deg",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "─": "-",
    "│": "|",
    "├": "+",
    "└": "+",
    "█": "#",
    "▉": "#",
    "▊": "#",
    "▋": "#",
    "▌": "#",
    "▇": "#",
    "▆": "#",
    "▅": "#",
    "▄": "+",
    "▃": "-",
    "▂": "_",
    "▁": ".",
    "▍": ".",
    "▎": ".",
    "▏": ".",
    "━": "-",
    "\ufffd": "?",
}


def make_safe(stream: Any) -> None:
    """Let a text stream write every character in some way that can be read."""
    if not isinstance(stream, io.TextIOWrapper):
        return
    codecs.register_error(HANDLER, _replace)
    if codecs.lookup(stream.encoding).name == "ascii":
        # Click takes a stream that says "ascii" for a misconfigured one and writes UTF-8 to it.
        codecs.register(_find_codec)
        stream.reconfigure(encoding=CODEC)
    else:
        stream.reconfigure(errors=HANDLER)


def knows_unicode(stream: Any) -> bool:
    """Tell whether a text stream writes every character as it is."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return str(encoding).lower().startswith("utf")


def encodable(text: str, encoding: str) -> str:
    """Return ``text`` as a stream of this encoding will show it, so that tables stay aligned."""
    codecs.register_error(HANDLER, _replace)
    if encoding == CODEC:
        encoding = "ascii"
    return text.encode(encoding, HANDLER).decode(encoding)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(ASCII.get(c) or _escape(c) for c in characters), error.end


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


class _Encoder(codecs.IncrementalEncoder):
    def encode(self, input: str, final: bool = False) -> bytes:
        return input.encode("ascii", HANDLER)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != CODEC:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        encode=lambda text, errors="strict": (text.encode("ascii", HANDLER), len(text)),
        decode=ascii_codec.decode,
        incrementalencoder=_Encoder,
        incrementaldecoder=ascii_codec.incrementaldecoder,
        name=CODEC,
    )
