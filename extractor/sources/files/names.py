"""What a file's name says: an image, something else, or what a tool left behind."""

from __future__ import annotations

import os

IMAGE_ENDINGS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif"),
        *(".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".heic", ".heif"),
        *(".jxl", ".tga", ".ico", ".pcx", ".dng", ".nef", ".cr2", ".arw"),
    )
)
NOT_IMAGES = frozenset(
    (
        *(".txt", ".md", ".rst", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".yaml"),
        *(".yml", ".toml", ".xls", ".xlsx", ".ods", ".doc", ".docx", ".html", ".htm", ".pdf"),
        *(".py", ".ipynb", ".sh", ".db", ".ini", ".log", ".npy", ".npz", ".pkl", ".pickle", ".mat"),
        *(".h5", ".hdf5", ".keras", ".onnx", ".pt", ".pth", ".parquet", ".arrow", ".feather"),
        *(".tfrecord", ".featx", ".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z"),
        *(".rar", ".mp4", ".mov", ".avi", ".mkv", ".mp3", ".wav", ".aae", ".xmp", ".lnk", ".url"),
        *(".bin", ".dat", ".safetensors", ".lmdb", ".mdb", ".lock"),
        *(".tmp", ".part", ".crdownload", ".sha256", ".md5"),
    )
)
TOOL_NAMES = frozenset(
    (
        *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "@sharebin", "@database"),
        *(
            "@syncresource",
            "@synoresource",
            "#recycle",
            "#snapshot",
            "$recycle.bin",
            "$extend",
            "~snapshot",
            "@__thumb",
        ),
        *(
            "recycle.bin",
            "recycler",
            "recycled",
            "resource.frk",
            "node_modules",
            "system volume information",
            "lost+found",
        ),
        *("__macosx", "network trash folder", "temporary items", "icon\r", "__pycache__"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"),
        *("zbthumbnail.info", "albumartsmall.jpg"),
    )
)
TOOL_PREFIXES = ("._", "found.0", "synofile_thumb", "synophoto_thumb", "thumbs.db")


def is_visible(name: str) -> bool:
    """Tell whether a file or folder is meant to be seen: not hidden, and not a tool's own."""
    return not name.startswith(".") and not is_tool_name(name)


def is_tool_name(name: str) -> bool:
    """Tell whether an operating system, a NAS or a tool keeps its own things under this name."""
    lower = name.lower()
    return lower in TOOL_NAMES or lower.startswith(TOOL_PREFIXES)


def ending(name: str) -> str:
    """Return the last ending of a file's name in small letters, such as ``.png``."""
    stem, dot, last = name.rpartition(".")
    return f".{last.lower()}" if dot and stem and "/" not in last else ""


def is_image_name(name: str) -> bool:
    """Tell whether a name ends as image files do."""
    return ending(name) in IMAGE_ENDINGS


def decoded(text: str) -> str:
    """Return ``text`` with bytes that are no UTF-8 read as Windows' Western encoding."""
    if text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text):
        return text
    content = os.fsencode(text)
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")
