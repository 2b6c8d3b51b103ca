from __future__ import annotations

import os

import pytest

from featx.extractor import hardware
from featx.extractor.hardware import n_usable_cores, this_machine


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Name empty places as the files of control groups, on a machine of eight cores."""
    monkeypatch.setattr(hardware, "CGROUP_V2", tmp_path / "max")
    monkeypatch.setattr(hardware, "CGROUP_V1", (tmp_path / "quota", tmp_path / "period"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "n_cores"),
    [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("9900000 100000", 8), ("", 8)],
)
def test_cores_under_a_quota(groups, text, n_cores):
    (groups / "max").write_text(f"{text}\n")
    assert n_usable_cores() == n_cores


@pytest.mark.parametrize(("quota", "n_cores"), [("-1", 8), ("300000", 3), ("50000", 1)])
def test_cores_under_a_quota_of_the_older_kind(groups, quota, n_cores):
    (groups / "quota").write_text(f"{quota}\n")
    (groups / "period").write_text("100000\n")
    assert n_usable_cores() == n_cores


def test_cores_without_control_groups(groups):
    assert n_usable_cores() == 8


def test_the_processor_has_a_name_without_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "none")
    found = this_machine()
    assert found.cpu and not found.flags
