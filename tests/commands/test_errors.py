"""What bad input gets: one line that says what was expected, what came, and what to do."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests_shared import CHEAP, Cli


def failing(result: object, code: int = 1) -> str:
    assert result.exit_code == code, result.output
    assert not result.stdout.strip()
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("featx: "), lines
    return lines[-1]


def test_unknown_backbone(cli: Cli, photos: Path) -> None:
    assert "resnet50" in failing(cli("extract", photos, "--backbone", "resnet5"))
    assert not Path("featx-cache").exists()


def test_missing_source(cli: Cli) -> None:
    assert "nowhere does not exist" in failing(cli("extract", "nowhere"))


def test_empty_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    assert "no image files" in failing(cli("extract", "void"))


def test_no_image_can_be_read(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_bytes(b"nothing")
    assert "not one of the 1 files" in failing(cli("extract", "bad", *CHEAP))


@pytest.mark.parametrize(
    "command",
    [
        ("extract", "s3:bucket/x"),
        ("extract", "http:/example.org/x.zip"),
        ("cache", "ls", "--cache", "s3:bucket/x"),
        ("cache", "merge", "gs:bucket/x"),
        ("sample", "s3:bucket/x"),
        ("sweep", "--tensorboard", "s3:bucket/x"),
    ],
)
def test_a_url_without_its_slashes_makes_no_folder(cli: Cli, command: tuple[str, ...]) -> None:
    assert "Did you mean" in failing(cli(*command))
    assert not list(Path().glob("*:*"))


@pytest.mark.parametrize("url", ["s3:bucket/x", "s3://bucket/x"])
def test_models_and_networks_are_not_read_from_urls(cli: Cli, photos: Path, url: str) -> None:
    assert "s3://bucket/x is a URL" in failing(cli("model", "info", url))
    assert "s3://bucket/x is a URL" in failing(cli("extract", photos, "--backbone", url))


def test_no_image_can_be_scored(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    for path in photos.rglob("*.*"):
        path.write_bytes(b"no image")
    result = cli("score", "model.featx", photos, "--weights", "random:0", "-o", "p.csv")
    assert result.exit_code == 1 and "not one of the 24 images" in result.stderr
    assert Path("p.csv").read_text(encoding="utf-8").count("error") == 24


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("2 GiB"), "out of memory"),
        (OSError(errno.EMFILE, "Too many open files", "00.png"), "Too many open files"),
    ],
)
def test_what_fails_in_us_is_no_bad_image(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    is_in_reading = isinstance(error, OSError)
    place = (
        "sources.files.local.LocalFiles.read"
        if is_in_reading
        else "pipeline.reading.fetch.decode_with_remark"
    )
    with monkeypatch.context() as patch:
        patch.setattr(f"featx.extractor.{place}", fail)
        result = cli("extract", photos, *CHEAP)
    assert result.exit_code == 1 and said in result.stderr, result.output
    assert not list(Path("featx-cache").glob("quarantine/*"))
    assert "24 extracted" in cli("extract", photos, *CHEAP).stdout


def test_too_small_size_names_the_minimum(cli: Cli, photos: Path) -> None:
    assert "32 pixels or more" in failing(cli("extract", photos, "--size", "20"))


def test_weights_that_cannot_be_had(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    message = failing(cli("extract", photos, "--backbone", "resnet50"))
    for part in (
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        str(tmp_path / "keras" / "models"),
        "--weights PATH",
        "efficientnet_lite0",
    ):
        assert part in message
    assert not Path("featx-cache").exists()
    assert not list((tmp_path / "keras" / "models").glob("*"))


def test_weights_of_another_architecture(cli: Cli, photos: Path) -> None:
    import featx

    weights = Path(featx.__file__).parent / "extractor/data/efficientnet_lite0.weights.h5"
    result = cli("extract", photos, "--backbone", "mobilenet", "--size", "32", "--weights", weights)
    assert "does not fit mobilenet" in failing(result)
    assert not list(Path("featx-cache").rglob("*.h5"))


def test_fit_without_features(cli: Cli) -> None:
    assert "featx extract" in failing(cli("fit"))


def test_unknown_head_and_parameter(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert "svm" in failing(cli("fit", "--head", "smv"))
    assert "'c'" in failing(cli("fit", "--head", "logreg", "--param", "c=1"))
    assert "NAME=VALUE" in failing(cli("fit", "--param", "C"))
    assert not Path("model.featx").exists()


def test_one_class_only(cli: Cli, photos: Path) -> None:
    shutil.rmtree(photos / "red")
    shutil.rmtree(photos / "blue")
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert "one class" in failing(cli("fit"))


def test_no_labels(cli: Cli, photos: Path) -> None:
    extracted = cli("extract", photos / "red", *CHEAP)
    assert extracted.exit_code == 0
    assert "featx score MODEL features:" in extracted.output and "featx fit" not in extracted.output
    assert "no labels" in failing(cli("fit"))


def test_wrong_output_ending(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    words = ("score", "model.featx", photos, "--weights", "random:0", "--out")
    assert ".parquet" in failing(cli(*words, "p.xls"))
    other = ("score", "model.featx", photos, "--weights", "random:1", "--out", "p.csv")
    assert "weights_digest" in failing(cli(*other))
    assert not Path("p.csv").exists()


@pytest.mark.parametrize("damage", ["absent", "text", "cut", "flipped"])
def test_damaged_model(cli: Cli, photos: Path, damage: str) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    path = Path("model.featx")
    data = bytearray(path.read_bytes())
    if damage == "absent":
        path.unlink()
    elif damage == "text":
        path.write_text("hello")
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        place = data.index(b"NUMPY") + 200
        data[place] ^= 1
        path.write_bytes(data)
    message = failing(cli("score", "model.featx", photos, "--out", "p.csv"))
    assert "model.featx" in message and not Path("p.csv").exists()


def test_a_file_that_the_system_keeps(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0

    def refuse(path: Path, **_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        line = failing(cli("cache", "rm", "photos", "--yes"))
    assert line.endswith(".json: Read-only file system")
    assert cli("cache", "verify").exit_code == 0


def test_usage_errors_exit_with_2(cli: Cli) -> None:
    assert cli("extract", "--nonsense").exit_code == 2
    assert cli("score").exit_code == 2
    assert cli("nonsense").exit_code == 2


def test_json_is_one_object_in_every_case(cli: Cli, photos: Path) -> None:
    def error_of(*words: object) -> dict[str, Any]:
        result = cli(*words)
        data = json.loads(result.stdout)
        assert data["exit_code"] == result.exit_code and data["message"] in result.stderr
        return data

    assert error_of("extract", "nowhere", "--json")["error"] == "SourceNotFoundError"
    assert error_of("score", "--json")["error"] == "UsageError"
    assert error_of("cache", "info", "nothing", "--json")["exit_code"] == 1
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    (photos / "red" / "00.png").write_bytes(b"no image")
    words = ("score", "model.featx", photos, "--weights", "random:0", "-o", "p.csv")
    error = error_of(*words, "--max-bad", "0", "--json")
    assert error["exit_code"] == 3 and error["error"] == "TooManyBadImagesError"
    assert error["report"]["n_errors"] == 1 and error["report"]["n_ok"] == 23


def test_every_command_has_an_example(cli: Cli) -> None:
    for command in ("extract", "doctor", "fit", "sweep", "score", "backbones", "sample"):
        result = cli(command, "--help")
        assert result.exit_code == 0 and f"Example: featx {command}" in result.stdout
