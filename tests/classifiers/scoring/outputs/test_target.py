"""Where predictions may go, and what is left alone there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from featx.cache.errors import ConfigError
from featx.classifiers.scoring.outputs.formats import FORMATS
from featx.classifiers.scoring.outputs.formats.record import TOP_K
from featx.classifiers.scoring.outputs.target import Target
from featx.classifiers.scoring.outputs.work_folder import WorkFolder
from featx.classifiers.scoring.outputs.write import flat, write_tables
from featx.extractor.parts import Part

FILES = [f"p{ending}" for form in FORMATS.values() for ending in form.endings]


def predictions(n_rows: int = 3) -> pa.Table:
    statuses = pa.array(["ok"] * n_rows).dictionary_encode()
    columns = {
        "id": pa.array([f'a "{i}"' for i in range(n_rows)], pa.string()),
        "predicted": pa.array(["x"] * n_rows, pa.string()).dictionary_encode(),
        "probability": pa.array([0.5] * n_rows, pa.float32()),
        "status": statuses,
        "reason": pa.array([""] * n_rows, pa.string()),
    }
    return pa.table(columns, metadata={TOP_K: "0"})


def write(out: Path, n_rows: int = 3, overwrite: bool = False) -> None:
    target, work = Target.parse(out, overwrite=overwrite), WorkFolder(out)
    with work.hold():
        write_tables(target, work, [predictions(n_rows)])


@pytest.mark.parametrize("n_rows", [0, 3])
@pytest.mark.parametrize("name", [*FILES, "folder"])
def test_predictions_are_replaced(tmp_path: Path, name: str, n_rows: int) -> None:
    write(tmp_path / name, n_rows)
    write(tmp_path / name, 4)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("content", [b"id,predicted\n1,2\n", b'{"id": 1}\n', b"PAR1", b"\xff\n"])
@pytest.mark.parametrize("name", FILES)
def test_another_file_is_replaced_only_when_asked(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"predictions that featx wrote.*--overwrite"):
        write(path)
    assert path.read_bytes() == content
    write(path, overwrite=True)
    assert path.read_bytes() != content


def test_a_file_that_appears_during_the_run_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    target, work = Target.parse(path), WorkFolder(path)
    path.write_text("mine")
    with pytest.raises(ConfigError, match="not replaced"), work.hold():
        write_tables(target, work, [predictions()])
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "part-00007.parquet", "sub"])
def test_a_folder_with_other_files_stays(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "p"
    write(folder)
    if name == "sub":
        (folder / name).mkdir()
    else:
        (folder / name).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=f"holds {name}"):
            write(folder, overwrite=overwrite)
    assert (folder / name).exists()
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        write(tmp_path / "d.csv")


def test_a_folder_of_the_user_beside_the_result_stays(tmp_path: Path) -> None:
    for ending in ("parts", "parts2"):
        (tmp_path / f"p.csv.{ending}").mkdir()
    (tmp_path / "p.csv.parts" / "thesis.txt").write_text("mine")
    assert WorkFolder(tmp_path / "p.csv").path.name == "p.csv.parts3"
    write(tmp_path / "p.csv")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["p.csv", "p.csv.parts", "p.csv.parts2"]
    assert (tmp_path / "p.csv.parts" / "thesis.txt").read_text() == "mine"


def test_a_file_of_the_user_in_the_work_folder_stays(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "p.csv")
    with work.hold():
        (work.path / "thesis.arrow").write_text("mine")
    assert [path.name for path in work.path.iterdir()] == ["thesis.arrow"]


def test_wrong_names_are_explained(tmp_path: Path) -> None:
    for out, format, hint in (
        (tmp_path / "p.cvs", None, ".csv"),
        (tmp_path / "p.csv", "jsonl", "contradict"),
        ("-", None, "names no file"),
        ("", None, "names no file"),
        (tmp_path / "p", "jsnl", "jsonl"),
    ):
        with pytest.raises(ConfigError, match=hint):
            Target.parse(out, format)


def test_flat_keeps_its_columns_where_every_row_failed() -> None:
    empty = pa.table(
        {
            "top_classes": pa.array([None], pa.list_(pa.string())),
            "top_probabilities": pa.array([None], pa.list_(pa.float32())),
        },
        metadata={TOP_K: "2"},
    )
    names = ["top1_class", "top1_probability", "top2_class", "top2_probability"]
    assert flat(empty).column_names == names


def test_what_other_parts_write_beside_a_part_is_no_obstacle(tmp_path: Path) -> None:
    out = tmp_path / "predictions"
    first = Target.shard(out, Part(1, 3))
    with WorkFolder(first.path).hold():
        hexadecimal = 32 * "a"
        (out / f".{first.path.name}.parts.{hexadecimal}").mkdir()
        (out / f"{first.path.name}.{hexadecimal}.partial").write_bytes(b"")
        assert Target.shard(out, Part(2, 3)).path.name == "part-00002-of-00003.parquet"
        assert Target.parse(out).is_folder
    (out / "holiday").mkdir()
    for attempt in (lambda: Target.shard(out, Part(2, 3)), lambda: Target.parse(out)):
        with pytest.raises(ConfigError, match="holds holiday"):
            attempt()
