"""Files that are no picture are named for what they are, with what to do."""

import gzip
import io
import sys
import zipfile

import pytest

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry


def zipped(name):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "content")
    return stream.getvalue()


def box(brand):
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + brand + b"isom" + bytes(64)


OTHERS = {
    "JPEG XL": [b"\xff\x0a" + bytes(20), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20)],
    "SVG": [b"<svg xmlns='x'/>", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg:svg/>"],
    "HTML": [
        b"<p>Not found</p>",
        b"<center><h1>404",
        b"<!DOCTYPE html><p>404",
        b"\n <html><body>Not found",
        b"<!-- x --><HTML>",
    ],
    "plain text": [b"<!---->" * 600, b"<!--" * 1200],
    "XML": [b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"],
    "JSON": [b'{"error": "not found"}', b' [{"a": 1}]', b"{}"],
    "git lfs pull": [b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"],
    "git annex get": [b"/annex/objects/SHA256E-s1--0.jpg\n"],
    "PDF": [b"%PDF-1.7\n" + bytes(20), b"\n" * 9 + b"%PDF-1.4"],
    "PostScript": [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6" + bytes(30), b"\x04%!PS"],
    "MP4": [box(b"isom"), box(b"mp42"), box(b"qt  "), b"\0\0\0\x08wide\0\0\1\0mdat" + bytes(20)],
    "WebM": [b"\x1aE\xdf\xa3" + bytes(30)],
    "AVI": [b"RIFF\x10\0\0\0AVI LIST", b"FLV\1" + bytes(9), b"\0\0\1\xba" + bytes(9)],
    "camera's raw": [
        box(b"crx "),
        b"FUJIFILMCCD-RAW 0201" + bytes(9),
        b"IIU\0" + bytes(20),
        b"IIRO" + bytes(20),
        b"FOVb" + bytes(20),
    ],
    "office document": [zipped("word/document.xml"), zipped("[Content_Types].xml")],
    "zip": [zipped("photo.txt")],
    "archive": [gzip.compress(b"x", mtime=0), b"Rar!\x1a\x07" + bytes(9), b"7z\xbc\xaf\x27\x1c"],
    "DICOM": [bytes(128) + b"DICM" + bytes(9)],
    "NIfTI": [b"\x5c\1" + bytes(342) + b"n+1\0"],
    "OpenEXR": [b"v/1\1" + bytes(9), b"#?RADIANCE\n"],
    "HDF5": [b"\x89HDF\r\n\x1a\n"],
    "NumPy": [b"\x93NUMPY\1\0"],
    "Photoshop": [b"8BPS\0\2" + bytes(30)],
    "GIMP": [b"gimp xcf v011\0"],
    "metafile": [b"\xd7\xcd\xc6\x9a" + bytes(20), b"\1\0\0\0" + bytes(36) + b" EMF"],
    "AppleDouble": [b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(40)],
    "saving it as text": ["\ufffd\ufffd\ufffd\ufffdJFIF".encode()],
    "line ends": [b"\x89PNG\n\x1a\n" + bytes(30)],
    "non trouv": ["Fichier non trouvé".encode("latin-1")],
    "a JPEG behind 2 bytes": [b"\r\n\xff\xd8\xff\xe0" + bytes(50)],
    "no image format": [b"\x07\x05" + bytes(range(200)), b"\xff" * 500],
    "all 5,000 bytes are zero": [bytes(5000)],
    "in base64 text": [b"/9j/4AAQSkZJRgABAQ", b"iVBORw0KGgoAAAANSUhEUg"],
    "destroyed by saving it as text": ["\xff\xd8\xff\xe0".encode(), "\x89PNG\r\n".encode()],
    "Not Found": [b"Not Found", "\ufeffNot Found".encode("utf-16-le")],
}


@pytest.mark.parametrize(
    ("what", "raw"), [(what, raw) for what, raws in OTHERS.items() for raw in raws]
)
def test_each_kind_is_named_with_what_to_do(what, raw):
    with pytest.raises(ImageError, match=what.replace("(", r"\(")) as caught:
        decode(raw, [Geometry(8, 8)])
    assert ":" in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc"])
def test_a_heic_without_the_extra_names_the_command(brand, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"HEIC.*pip install 'featx\[heif\]'"):
        decode(box(brand), [Geometry(8, 8)])


def test_no_program_is_run_on_postscript(tmp_path, monkeypatch):
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/log\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    body = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    header = b"\xc5\xd0\xd3\xc6\x1e\0\0\0" + len(body).to_bytes(4, "little") + bytes(18)
    for raw in (body, header + body, b"\n" + body, b"\0" * 4 + body):
        with pytest.raises(ImageError):
            decode(raw, [Geometry(8, 8)])
    assert not (tmp_path / "log").exists()
