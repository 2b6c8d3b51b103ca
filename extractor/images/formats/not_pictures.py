"""Files that are no picture, or none that featx can read: what each is, and what to do.

Recognised by their content, whatever they are called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SHOWN = 40
HEAD = 4096
PICTURE_STARTS = {"JPEG": b"\xff\xd8\xff\xe0", "PNG": b"\x89PNG\r\n\x1a\n"}


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes
    ----------
    pattern : bytes
        Regular expression that the file's first bytes match.
    what, advice : str
        What it is, and what a person should do.
    """

    pattern: bytes
    what: str
    advice: str


DEVELOP = "develop it to JPEG, PNG or TIFF first"
UNPACK = "unpack it and name the folder"
EXPORT = "export it as PNG or JPEG first"
EXTRACT_FRAMES = "extract its frames as images first"
FETCH = "get the file again"

COMMENTS = rb"(?>(?>\s*<!--.*?-->)*)\s*"
"""Comments of HTML and XML, in groups that are never tried again, so that the search ends soon."""

KINDS = (
    Kind(rb"\s*version https://git-lfs", "a Git LFS pointer, not the file itself", "git lfs pull"),
    Kind(rb"/annex/objects/", "a git-annex pointer, not the file itself", "git annex get"),
    Kind(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>)?" + COMMENTS + rb"(<!doctype svg|<(\w+:)?svg\b)",
         "an SVG drawing", EXPORT),
    Kind(rb"(\xef\xbb\xbf)?" + COMMENTS + rb"<(!doctype html|html|head|body|title|script|meta|link|"
         rb"style|p|br|h[1-6]|div|center|table|b)\b",
         "an HTML page, often an error page saved under an image's name", FETCH),
    Kind(rb"(\xef\xbb\xbf)?\s*<(\?xml|error|rss|!doctype)\b", "an XML document", FETCH),
    Kind(rb"(\xef\xbb\xbf)?\s*[{\[]\s*([\"{\[]|[}\]])", "JSON text, often an error message", FETCH),
    Kind(rb"data:image/|/9j/4|iVBORw0KGgo", "an image in base64 text",
         "decode the text (behind a comma) first"),
    Kind(rb".{0,1000}%PDF-", "a PDF document", "export its pages as images first"),
    Kind(rb"(\xef\xbb\xbf|\x04)?%!|\xc5\xd0\xd3\xc6",
         "PostScript (EPS), which only another program can draw", EXPORT),
    Kind(rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture, which featx cannot read",
         "convert it, for example with djxl, to PNG or JPEG first"),
    Kind(rb"II\xbc\x01", "a JPEG XR picture, which featx cannot read", EXPORT),
    Kind(rb"\xff\xd8\xff\xf7", "a JPEG-LS picture, which featx cannot read", EXPORT),
    Kind(rb"BPG\xfb|FLIF", "a BPG or FLIF picture, which featx cannot read", EXPORT),
    Kind(rb"v/1\x01|#\?(RADIANCE|RGBE)|SDPX|XPDS",
         "a high-dynamic-range picture (OpenEXR, Radiance or DPX), which featx cannot read",
         "convert it to PNG or TIFF first"),
    Kind(rb"....ftypcrx ", "a camera's raw file (Canon CR3)", DEVELOP),
    Kind(rb"FUJIFILMCCD-RAW", "a camera's raw file (Fujifilm RAF)", DEVELOP),
    Kind(rb"IIU\0|II\x1a\0\0\0HEAPCCDR|IIR[OS]|MMOR|FOVb|\0MRM|....\0\0\0\0ARRI",
         "a camera's raw file", DEVELOP),
    Kind(rb"....ftyp(?!avif|avis|hei|hev|mif|msf|jp2|jpx|jpm)|....(moov|mdat|wide|skip|free|pnot)",
         "a video or sound (MP4, MOV)", EXTRACT_FRAMES),
    Kind(rb"\x1aE\xdf\xa3", "a video (WebM, Matroska)", EXTRACT_FRAMES),
    Kind(rb"RIFF....AVI |FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xb3\xba]|OggS",
         "a video (AVI, FLV, WMV, MPEG or Ogg)", EXTRACT_FRAMES),
    Kind(rb"G.{187}G.{187}G", "a video (MPEG transport stream)", EXTRACT_FRAMES),
    Kind(rb"RIFF....WAVE|ID3|fLaC", "a sound", "leave it out"),
    Kind(rb"PK\x03\x04.{26,}?(word/|xl/|ppt/|\[Content_Types\]|application/(vnd\.oasis|epub))",
         "an office document (zip)", "export its pictures first"),
    Kind(rb"PK[\x03\x05\x07][\x04\x06\x08]", "a zip archive", UNPACK),
    Kind(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
         "an old office document or Thumbs.db (OLE)", "export its pictures first"),
    Kind(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd|.{257}ustar",
         "a compressed file or an archive", UNPACK),
    Kind(rb".{128}DICM", "a DICOM image", "save it, with the window that you want, as PNG first"),
    Kind(rb".{344}n[+i]1\0", "a NIfTI volume", "save its slices as PNG first"),
    Kind(rb"\x89HDF\r\n\x1a\n|CDF[\x01\x02\x05]", "an HDF5 or netCDF file", EXPORT),
    Kind(rb"\x93NUMPY", "a NumPy array", "name the .npy file itself as the source"),
    Kind(rb"\x80[\x02-\x05].*\.$|MATLAB 5\.0", "a pickle or a MATLAB file", EXPORT),
    Kind(rb"8BPS\0\x02", "a large Photoshop document (PSB)", EXPORT),
    Kind(rb"gimp xcf|8BPS", "a GIMP or Photoshop document that Pillow cannot read", EXPORT),
    Kind(rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF|\x01\0\x09\0\0[\x01\x03]",
         "a Windows metafile (WMF, EMF)", EXPORT),
    Kind(rb"\0\x05\x16[\x00\x07]", "macOS' attributes of another file (AppleDouble)", "delete it"),
    Kind(rb"\0\0\0\x01Bud1|\[InternetShortcut\]|L\0\0\0\x01\x14\x02\0",
         "a note or shortcut of the file manager", "delete it"),
    Kind(rb"\x7fELF|MZ.{58}|SQLite format 3\0|bplist0", "a program or a database", "leave it out"),
    Kind(rb"(\xef\xbf\xbd){1,4}|\xc3\xbf\xc3\x98\xc3\xbf|\xc2\x89PNG",
         "a picture that was destroyed by saving it as text", FETCH),
    Kind(rb"\x89PNG(\n\x1a|\r\r)", "a PNG whose line ends were changed on the way",
         "copy the file again in binary mode"),
)  # fmt: skip
MATCHERS = tuple((re.compile(kind.pattern, re.DOTALL | re.IGNORECASE), kind) for kind in KINDS)


def describe_other(raw: bytes) -> str:
    """Return what a file is that is no picture, and what to do; empty where it may be one."""
    if not raw:
        return "the file is empty"
    if not raw[:HEAD].strip(b"\0") and not raw.strip(b"\0"):
        return f"all {len(raw):,} bytes are zero, as after a failed copy: {FETCH}"
    head = raw[:HEAD]
    for pattern, kind in MATCHERS:
        if pattern.match(head):
            return f"{kind.what}: {kind.advice}"
    return ""


def describe_shifted(raw: bytes) -> str:
    """Return which picture begins behind other bytes; empty where there is none."""
    starts = {name: raw.find(start, 1, HEAD) for name, start in PICTURE_STARTS.items()}
    for name, position in starts.items():
        if position > 0:
            return f"a {name} behind {position} bytes that do not belong to it: {FETCH}"
    return ""


def describe_text(raw: bytes) -> str:
    """Return how a text begins; empty where the bytes are none."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = raw[:HEAD].decode(encoding, "replace").strip()
    if "\ufffd" in text and sum(byte < 128 for byte in raw[:HEAD]) > 0.8 * len(raw[:HEAD]):
        text = raw[:HEAD].decode("latin-1").strip()
    n_odd = sum(not (char.isprintable() or char.isspace()) or char == "\ufffd" for char in text)
    if n_odd > len(text) // 50 or not text:
        return ""
    shown = " ".join(text.split())
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"
    return f'plain text that begins with "{shown}": {FETCH}'
