"""A report of a small source with hostile names, written once for all tests of this folder."""

from __future__ import annotations

import json
import re
import shutil
from types import SimpleNamespace

import pytest
from comparison_shared import extract_pixels
from images_shared import make_photos
from PIL import Image

import featx
from featx.classifiers.comparison.report.report import ReportOptions, write_report

SCRIPT = "<script>window.broken=1<\u2215script>"
"""As the name of a folder may be; the page's own text ends a script, see ``test_report``."""
QUOTES = "\"'&\u202e\u05e9\u05dc\u05d5\u05dd"
PER_CLASS, N_WRONG = 24, 8
N_IMAGES = 3 * PER_CLASS + N_WRONG + 1


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("report")
    photos = make_photos(root / "photos", PER_CLASS)
    (photos / "red").rename(photos / SCRIPT)
    (photos / "green").rename(photos / QUOTES)
    long_name = photos / "blue" / f"{'long' * 50}.png"
    (photos / "blue" / "00.png").rename(long_name)
    for number, path in enumerate(sorted((photos / QUOTES).iterdir())[:N_WRONG]):
        turned = Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turned.save(photos / "blue" / f"wrong {number}.png")
    shutil.copy(photos / "blue" / "03.png", photos / "blue" / "again.png")
    cache = root / "cache"
    spec = extract_pixels(cache, photos, 8)
    featx.sweep(
        options=featx.SweepOptions(families=grids("ridge", "centroid")),
        cache=cache,
        out=root / "swept.featx",
    )
    model = root / "model.featx"
    featx.fit(options=featx.HeadOptions("lda"), cache=cache, out=model)
    page = root / "report.html"
    options = ReportOptions(with_tsne=False, with_curve=True)
    info = write_report(out=page, options=options, cache=cache, command="featx report")
    text = page.read_text(encoding="utf-8")
    return SimpleNamespace(
        root=root, photos=photos, cache=cache, spec=spec, model=model, page=page, info=info,
        text=text, data=data_of(text),
    )  # fmt: skip


def grids(*heads: str) -> tuple:
    from featx.classifiers.selection.grid import default_families

    return tuple(family for family in default_families() if family.head in heads)


def data_of(text: str) -> dict:
    """Return the data that a page's scripts read."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict = json.loads(found[1])
    return data
