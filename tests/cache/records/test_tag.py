from pathlib import Path

import pytest

from featx.cache import RunRecord, Tag
from featx.cache.errors import CacheFormatError, ConfigError
from featx.cache.records.run_record import read_run, write_run

RECORD = RunRecord("photos-1a2b3c4d", "ab" * 32, 1, 2, 2, 0, 0, 1.0, "keras")


@pytest.mark.parametrize(
    "texts", [("a@b",), (" a",), ("two\nlines",), ("x" * 61,), ("", "\x1b[2J"), ("", "x" * 501)]
)
def test_tags_are_one_line_without_at(texts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="--n"):
        Tag(*texts)


def test_empty_parts_come_from_the_other_tag() -> None:
    assert Tag("new").or_else(Tag("old", "note")) == Tag("new", "note")


def test_records_keep_tags_and_those_without_one_are_as_before(tmp_path: Path) -> None:
    tagged = RunRecord(**{**vars(RECORD), "tag": Tag("first", "by day")})
    for record in (RECORD, tagged):
        write_run(tmp_path / "run.json", record)
        assert read_run(tmp_path / "run.json") == record
        assert ("tag" in (tmp_path / "run.json").read_text()) == (record is tagged)


def test_records_with_a_misshapen_tag_are_damaged(tmp_path: Path) -> None:
    write_run(tmp_path / "run.json", RECORD)
    text = (tmp_path / "run.json").read_text()
    for tag in ('"x"', '{"name": "a@b"}'):
        (tmp_path / "run.json").write_text(text.replace("{", f'{{"tag": {tag},', 1))
        with pytest.raises(CacheFormatError, match="run record"):
            read_run(tmp_path / "run.json")
