from __future__ import annotations

import pytest

from featx.commands import progress
from featx.commands.logs import configure
from featx.commands.progress import Progress


def test_lines_count_the_unit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with Progress(unit="configurations") as shown:
        shown.begin(1200, "sweeping")
        shown.say("Ranked by accuracy.")
        shown.advance(3)
        shown.begin(1, "sweeping")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["sweeping: 1,200 configurations to do", "Ranked by accuracy."]
    assert lines[2].startswith("sweeping: 3 of 1,200 configurations, ")
    assert lines[3] == "sweeping: 1 configuration to do"


def test_a_quiet_one_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure(quiet=True)
    with Progress() as hidden:
        hidden.begin(1, "extracting")
        hidden.say("nothing")
        hidden.advance(1)
    assert capsys.readouterr() == ("", "")
