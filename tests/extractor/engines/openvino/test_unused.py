"""Converted networks that nobody uses any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from featx.cache.errors import CacheWriteError
from featx.extractor.engines.model_folder import ModelFolder, network_facts
from featx.extractor.engines.openvino.unused import find_unused, remove_unused
from featx.extractor.plan import FeatureOptions, Plan, make_plan


def plan_of(size: int) -> Plan:
    return make_plan(FeatureOptions(backbone="mobilenet", weights="random:0", image_size=size))


def converted(home: Path, plan: Plan, key: str, days: float, notes: bool = True) -> ModelFolder:
    """Put a network into a folder as if it had been used last some days ago."""
    folder = ModelFolder(home / "models" / f"mobilenet-{key}")
    folder.path.mkdir(parents=True)
    folder.model.write_bytes(b"x" * 1000)
    if notes:
        folder.mark_used(plan.network)
    then = time.time() - days * 86_400
    for path in (folder.path, *folder.notes.glob("*")):
        os.utime(path, (then, then))
    return folder


def test_networks_that_no_features_need_go_after_some_days(tmp_path: Path) -> None:
    needed, other = plan_of(32), plan_of(64)
    old = converted(tmp_path, other, "a", days=40)
    converted(tmp_path, other, "b", days=20)
    converted(tmp_path, needed, "c", days=400)
    (unused,) = find_unused([needed.spec], home=tmp_path)
    assert unused.path == str(old.path) and unused.n_bytes > 1000 and 39 < unused.days < 41
    assert len(find_unused([needed.spec], 0, home=tmp_path)) == 2
    assert len(find_unused([], 30, home=tmp_path)) == 2
    remove_unused([unused])
    assert not old.path.exists() and not old.notes.exists()
    remove_unused([unused])  # another process was faster


def test_networks_of_earlier_versions_go_by_their_backbone(tmp_path: Path) -> None:
    plan = plan_of(32)
    converted(tmp_path, plan, "a", days=40, notes=False)
    assert not find_unused([plan.spec], home=tmp_path)
    assert len(find_unused([], home=tmp_path)) == 1


def test_half_converted_networks_go_after_an_hour(tmp_path: Path) -> None:
    plan = plan_of(32)
    converted(tmp_path, plan, "a.0123.partial", days=1 / 12, notes=False)
    converted(tmp_path, plan, "b.0123.partial", days=0, notes=False)
    assert [u.path for u in find_unused([plan.spec], home=tmp_path)] == [
        str(tmp_path / "models" / "mobilenet-a.0123.partial")
    ]


def test_a_use_is_noted_once_a_day(tmp_path: Path) -> None:
    plan = plan_of(32)
    folder = converted(tmp_path, plan, "a", days=40)
    assert folder.facts() == network_facts(plan.network)
    assert time.time() - folder.last_use() > 1000
    folder.mark_used(plan.network)
    noted = folder.last_use()
    assert time.time() - noted < 1000
    folder.mark_used(plan.network)
    assert folder.last_use() == noted


@pytest.mark.skipif(os.getuid() == 0, reason="root may delete anything")
def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    converted(tmp_path, plan_of(32), "a", days=40)
    (tmp_path / "models").chmod(0o500)
    try:
        with pytest.raises(CacheWriteError, match="cannot delete"):
            remove_unused(find_unused([], home=tmp_path))
    finally:
        (tmp_path / "models").chmod(0o700)
