"""Every command's output on streams that know fewer characters than featx prints."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cache_shared import make_spec

import featx
from featx.cache import FeatureBatch, FeatureStore, Listing, Manifest, RunRecord, StringColumn
from featx.commands.output_encoding import ASCII, encodable, make_safe

ENCODINGS = ("ascii", "latin-1", "cp437", "utf-8")
ROOT = Path(featx.__file__).parent


def written(text: str, encoding: str) -> str:
    """Return what is read from a stream of this encoding after ``text`` was written to it."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding)
    make_safe(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_character_can_be_written_and_read(encoding: str) -> None:
    for character in (*ASCII, "é", "ü", "日", "😀", "\udce9", "\0"):
        shown = written(character, encoding)
        assert shown == character or shown.isascii()
        assert shown == encodable(character, encoding)
        if character not in ASCII:
            assert json.loads(f'"{shown}"', strict=False) == character


def test_ascii_streams_get_likenesses() -> None:
    assert written("0.91 ± 0.02 → 3 × 4 …", "ascii") == "0.91 +/- 0.02 -> 3 x 4 ..."
    assert written("Zoé", "ascii") == "Zo\\u00e9"
    assert written("Zoé ± 1", "latin-1") == "Zoé ± 1"


def test_every_sign_in_the_text_of_commands_has_a_likeness() -> None:
    for path in (ROOT / "commands").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                unknown = {c for c in node.value if not c.isascii()} - ASCII.keys()
                assert not unknown, f"{path}: {unknown}"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache whose class names and sample ids no old terminal knows, one id being no text."""
    rng = np.random.default_rng(0)
    n, spec = 60, make_spec()
    digests = rng.integers(1, 256, (n, 32), np.uint8)
    y = np.arange(n) % 2
    X = (rng.standard_normal((n, 4)) + 3 * y[:, None]).astype(np.float32)
    ids = StringColumn.from_strings(f"élan/\udce9{i}.png" for i in range(n))
    listing = Listing(ids, y, np.full(n, -1, np.int8), None, ("chien é", "日本"))
    store = FeatureStore(tmp_path / "featx-cache")
    store.write_rows(spec, [FeatureBatch(digests, X)])
    stamps = np.zeros((n, 3), np.int64)
    store.write_manifest(Manifest("photos", "/été/photos", listing, digests, stamps, 1))
    store.write_run(RunRecord("photos", spec.fingerprint, 1, n, n, 0, 0, 1.0, "test"))
    return tmp_path


COMMANDS = (
    "fit --head ridge",
    "model info model.featx --json",
    "cache info --json",
    "cache info",
    "cache info é→",
    "model info model.featx",
    "fit --head nonsense",
    "fit --head ridge --json",
    "sweep --heads ridge,centroid --out s.featx",
    "score model.featx features: --out p.csv",
    "cache ls",
    "cache ls --json",
    "cache verify",
    "cache repair",
    "backbones",
    "fit --é",
    "extract --help",
)

RUN = """
import sys
from featx.cli import main
for line in sys.argv[1:]:
    sys.argv[1:] = line.split(" ")
    print("\\n== ")
    try:
        main()
    except SystemExit as stop:
        print("rc", stop.code)
"""


@pytest.mark.parametrize(
    ("variables", "encoding", "n_commands"),
    [
        ({"PYTHONIOENCODING": "ascii"}, "ascii", len(COMMANDS)),
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, "ascii", 6),
        ({"LANG": "C"}, "utf-8", 2),
    ],
)
def test_every_command_on_an_ascii_terminal(
    cache: Path, variables: dict[str, str], encoding: str, n_commands: int
) -> None:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))}
    commands = COMMANDS[:n_commands]
    words = [sys.executable, "-c", RUN, *commands]
    environment = {**plain, **variables}
    run = subprocess.run(words, cwd=cache, env=environment, capture_output=True, check=False)
    out, err = run.stdout.decode(encoding), run.stderr.decode(encoding)
    assert "Traceback" not in err, err
    assert run.returncode == 0
    for line, section in zip(commands, out.split("\n== \n")[1:], strict=True):
        code = {"fit --head nonsense": 1, "cache info é→": 1, "fit --é": 2}.get(line, 0)
        text, _, end = section.rpartition("rc ")
        assert end.strip() == str(code), line
        if "--json" in line:
            data = json.loads(text)
            if "model info" in line:
                assert data["class_names"] == ["chien é", "日本"]
            if "cache info" in line:
                assert data["location"] == "/été/photos"
        elif line == "fit --head ridge":
            assert ("+/-" if encoding == "ascii" else "±") in text
