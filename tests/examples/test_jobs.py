"""The files of ``examples/jobs``, each under a stand-in for its scheduler."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from images_shared import make_photos

from featx.cli import app
from featx.extractor.parts import Part
from tests_shared import CHEAP

JOBS = Path(__file__).parents[2] / "examples" / "jobs"
# Slurm runs a copy of the script, with the variables of an array.
SBATCH = """#!/bin/bash
set -eu
echo "$*" >>"$CALLS"
tasks=1-1
while [[ $1 == --* ]]; do
    case $1 in --array=*) tasks=${1#--array=} ;; esac
    shift
done
cp "$1" spool && shift
for SLURM_ARRAY_TASK_ID in $(seq "${tasks%-*}" "${tasks#*-}"); do
    export SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT=${tasks#*-}
    bash spool "$@" >&2
done
echo 4711
"""
RECORDING = """#!/bin/bash
printf '%s\\n' "$(printf '%q ' "$@")" >>"$CALLS.featx"
"""
FEATX = f"""#!/bin/bash
exec {sys.executable} -c 'from featx.cli import main; main()' "$@"
"""


class Cluster:
    """A folder with stand-ins on PATH, in which the files of the examples run."""

    def __init__(self, folder: Path, featx: str) -> None:
        self.folder = folder
        commands = folder / "bin"
        commands.mkdir()
        for name, text in (("sbatch", SBATCH), ("featx", featx)):
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        self.variables = {**os.environ, "PATH": path, "CALLS": str(folder / "calls")}
        self.variables |= {"FEATX_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}

    def run(self, *words: str | Path, **variables: str) -> str:
        done = subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commands(self) -> list[list[str]]:
        """Return what featx was called with, the parts in their order."""
        lines = (self.folder / "calls.featx").read_text().splitlines()
        return sorted(map(shlex.split, lines), key=lambda words: ("--join" in words, words))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path, RECORDING)


def container(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the spec of a Kubernetes job and its container."""
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((JOBS / name).read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    (one,) = job["spec"]["template"]["spec"]["containers"]
    return job["spec"], one


def run_container(cluster: Cluster, name: str, **variables: str) -> None:
    _, one = container(name)
    given = {entry["name"]: entry["value"] for entry in one["env"]}
    cluster.run(*one["command"], *one["args"], **{**given, **variables})


def check(commands: list[list[str]], n_parts: int, source: str) -> None:
    """Check that these are all parts of one source and one join, as featx understands them."""
    group: Any = typer.main.get_command(app)
    extract = group.commands["extract"]
    parsed = [extract.make_context("extract", words[1:]).params for words in commands]
    assert all(words[0] == "extract" for words in commands)
    parts = sorted(Part.parse(p["shard"]) for p in parsed if p["shard"])
    assert parts == [Part(n, n_parts) for n in range(1, n_parts + 1)]
    assert [p["join"] for p in parsed] == [False] * n_parts + [True]
    assert {tuple(map(str, p["source"])) for p in parsed} == {(source,)}
    assert {tuple(p["backbone"]) for p in parsed} == {("resnet50",)}


OPTIONS = ("--backbone", "resnet50")


def test_a_loop(cluster: Cluster) -> None:
    cluster.run(JOBS / "loop.sh", "3", "my photos", *OPTIONS)
    check(cluster.commands(), 3, "my photos")


def test_slurm(cluster: Cluster) -> None:
    cluster.run(JOBS / "submit.sh", "3", "my photos", *OPTIONS)
    check(cluster.commands(), 3, "my photos")
    array, join = (cluster.folder / "calls").read_text().splitlines()
    assert array.startswith("--parsable --array=1-3 ")
    assert join.startswith("--dependency=afterany:4711 ")


def test_kubernetes(cluster: Cluster) -> None:
    spec, one = container("kubernetes.yaml")
    (parts,) = (entry["value"] for entry in one["env"] if entry["name"] == "PARTS")
    assert spec["completionMode"] == "Indexed" and spec["completions"] == int(parts)
    for index in range(3):
        run_container(cluster, "kubernetes.yaml", JOB_COMPLETION_INDEX=str(index), PARTS="3")
    run_container(cluster, "kubernetes-join.yaml")
    check(cluster.commands(), 3, "s3://bucket/photos")


def test_cron(cluster: Cluster) -> None:
    *_, line = (JOBS / "crontab").read_text().splitlines()
    words = shlex.split(line.partition(" >>")[0])[5:]
    assert Path(words[0]).name == "one_of_many.sh" and words[1:3] == ["3", "4"]
    for part in ("1", "2", "3", "4"):
        cluster.run(JOBS / "one_of_many.sh", part, *words[2:])
    commands = cluster.commands()
    assert commands[4:] == [commands[4]] * 4
    check(commands[:5], 4, "s3://bucket/photos")


@pytest.mark.long
@pytest.mark.parametrize("scheduler", ["loop", "slurm", "kubernetes", "cron"])
def test_they_extract_a_source(tmp_path: Path, scheduler: str) -> None:
    cluster = Cluster(tmp_path, FEATX)
    make_photos(tmp_path / "photos")
    words = ("photos", *CHEAP)
    if scheduler == "loop":
        cluster.run(JOBS / "loop.sh", "2", *words)
    elif scheduler == "slurm":
        cluster.run(JOBS / "submit.sh", "2", *words)
    elif scheduler == "cron":
        for part in ("1", "2"):
            cluster.run(JOBS / "one_of_many.sh", part, "2", *words)
    else:
        given = {"SOURCE": "photos", "OPTIONS": " ".join(CHEAP), "PARTS": "2"}
        given["FEATX_CACHE"] = cluster.variables["FEATX_CACHE"]
        for index in ("0", "1"):
            run_container(cluster, "kubernetes.yaml", JOB_COMPLETION_INDEX=index, **given)
        run_container(cluster, "kubernetes-join.yaml", **given)
    from featx import open_features

    features = open_features(cache=tmp_path / "cache")
    assert features.n_missing == 0 and len(features.sample_ids) > 0
