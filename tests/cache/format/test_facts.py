"""What objects show of themselves."""

from __future__ import annotations

from pathlib import Path

import featx
from featx.cache.format.facts import Shown, shortened


class Thing(Shown):
    def _title(self) -> str:
        return "Thing <1>"

    def _facts(self) -> dict[str, str]:
        return {"a": "1 & 2", "longer": "x"}


def test_text_is_aligned_and_html_escaped() -> None:
    assert repr(Thing()) == "Thing <1>\n  a       1 & 2\n  longer  x"
    html = Thing()._repr_html_()
    assert "Thing &lt;1&gt;" in html and "1 &amp; 2" in html and html.count("<tr>") == 2


def test_long_lists_are_shortened() -> None:
    assert shortened(("a", "b")) == "a, b"
    assert shortened(tuple("abcdefgh")) == "a, b, c, d, e, f and 2 more"


def test_reports_say_what_came_of_a_run(photos: Path) -> None:
    cache = photos.parent / "cache"
    (photos / "red" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = featx.FeatureOptions(backbone="pixels", image_size=8)
    extracted = featx.extract(photos, options, cache=cache)
    assert "25: 24 extracted, 0 already cached, 1 unreadable" in repr(extracted)
    assert "red/bad.png: " in extracted._repr_html_()
    out = photos.parent / "model.featx"
    swept = featx.sweep(heads=["centroid", "ridge"], cache=cache, out=out)
    text = repr(swept)
    assert "SweepReport of 10 configurations" in text and "winner on test" in text
    assert "1.  " in text and "6.  " not in text
    scored = featx.score(out, photos, photos.parent / "p.csv", cache=cache)
    assert "25: 24 ok, 0 unsure, 1 errors" in repr(scored)
