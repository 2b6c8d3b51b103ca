"""What a machine offers, read from files as they are in containers of both kinds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import featx
from featx.extractor.machine import hardware
from featx.extractor.machine.hardware import free_memory_bytes, n_usable_cores, this_machine

MIB = 1 << 20
MEMINFO = "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n"
AVAILABLE = 8 << 30
V2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
CPU = "sys/fs/cgroup/cpu,cpuacct"
MEMORY = "sys/fs/cgroup/memory"
UNLIMITED = "9223372036854771712"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Write the files of a machine of eight cores; return its root."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    def write(files):
        for name, text in {"proc/meminfo": MEMINFO, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return write


def v2(group="/", **files):
    named = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    return {"proc/self/cgroup": f"0::{group}", "proc/self/mountinfo": V2, **named}


def v1(group="/", root="/", files=()):
    groups = f"4:memory:{group}\n3:cpu,cpuacct:{group}\n0::/"
    mounts = V1.format(root=root)
    return {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **dict(files)}


@pytest.mark.parametrize(
    ("text", "n_cores"),
    [
        ("max 100000", 8),
        ("150000 100000", 2),
        ("200000 100000", 2),
        ("200001 100000", 2),
        ("199999 100000", 2),
        ("20000 100000", 1),
        ("25000 50000", 1),
        ("9900000 100000", 8),
        ("-1 100000", 8),
        ("0 0", 8),
        ("nonsense", 8),
        ("", 8),
    ],
)
def test_cores_under_a_quota(machine, text, n_cores):
    assert n_usable_cores(machine(v2(**{"cpu.max": text}))) == n_cores


@pytest.mark.parametrize(("quota", "n_cores"), [("-1", 8), ("300000", 3), ("50000", 1)])
def test_cores_under_a_quota_of_version_1(machine, quota, n_cores):
    files = {f"{CPU}/cpu.cfs_quota_us": quota, f"{CPU}/cpu.cfs_period_us": "100000"}
    assert n_usable_cores(machine(v1(files=files))) == n_cores


@pytest.mark.parametrize(
    ("inner", "outer", "n_cores"),
    [("max 100000", "300000 100000", 3), ("200000 100000", "300000 100000", 2)],
)
def test_the_smallest_quota_of_nested_groups_counts(machine, inner, outer, n_cores):
    files = {"pod/cpu.max": outer, "pod/container/cpu.max": inner}
    assert n_usable_cores(machine(v2("/pod/container", **files))) == n_cores
    assert n_usable_cores(machine(v2("/pod/container/deeper", **files))) == n_cores


def test_nested_groups_of_version_1(machine):
    files = {
        f"{CPU}/pod/cpu.cfs_quota_us": "300000",
        f"{CPU}/pod/cpu.cfs_period_us": "100000",
        f"{CPU}/pod/container/cpu.cfs_quota_us": "-1",
        f"{CPU}/pod/container/cpu.cfs_period_us": "100000",
        f"{MEMORY}/pod/memory.limit_in_bytes": str(100 * MIB),
        f"{MEMORY}/pod/container/memory.limit_in_bytes": UNLIMITED,
    }
    root = machine(v1("/pod/container", files=files))
    assert n_usable_cores(root) == 3
    assert free_memory_bytes(root) == 100 * MIB


@pytest.mark.parametrize("group", ["/docker/abc", "/docker/abc/inner", "/../elsewhere"])
def test_a_container_that_sees_only_its_own_subtree(machine, group):
    files = {f"{CPU}/cpu.cfs_quota_us": "200000", f"{CPU}/cpu.cfs_period_us": "100000"}
    assert n_usable_cores(machine(v1(group, root="/docker/abc", files=files))) == 2


def test_affinity_counts_as_well(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert n_usable_cores(machine(v2(**{"cpu.max": "400000 100000"}))) == 1


@pytest.mark.parametrize(
    ("files", "n_bytes"),
    [
        ({"memory.max": "max"}, AVAILABLE),
        ({"memory.max": str(512 * MIB)}, 512 * MIB),
        ({"memory.max": str(512 * MIB), "memory.current": str(200 * MIB)}, 312 * MIB),
        ({"memory.max": str(512 * MIB), "memory.high": str(300 * MIB)}, 300 * MIB),
        ({"memory.max": "max", "memory.high": str(300 * MIB)}, 300 * MIB),
        ({"memory.max": str(MIB), "memory.current": str(2 * MIB)}, 0),
        ({"memory.max": str(64 << 30)}, AVAILABLE),
        (
            {
                "memory.max": str(512 * MIB),
                "memory.current": str(500 * MIB),
                "memory.stat": f"anon {100 * MIB}\ninactive_file {400 * MIB}",
            },
            412 * MIB,
        ),
    ],
)
def test_memory_under_a_limit(machine, files, n_bytes):
    assert free_memory_bytes(machine(v2(**files))) == n_bytes


def test_memory_under_a_limit_of_version_1(machine):
    files = {
        f"{MEMORY}/memory.limit_in_bytes": str(512 * MIB),
        f"{MEMORY}/memory.usage_in_bytes": str(500 * MIB),
        f"{MEMORY}/memory.stat": f"cache 1\ninactive_file 7\ntotal_inactive_file {400 * MIB}",
    }
    assert free_memory_bytes(machine(v1(files=files))) == 412 * MIB
    files = {f"{MEMORY}/memory.limit_in_bytes": UNLIMITED}
    assert free_memory_bytes(machine(v1(files=files) | {f"{MEMORY}/memory.stat": ""})) == AVAILABLE


def test_half_of_the_memory_is_free_where_the_system_does_not_say(tmp_path, monkeypatch):
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.get, raising=False)
    monkeypatch.setattr(os, "sysconf_names", dict.fromkeys(sizes, 1), raising=False)
    assert free_memory_bytes(tmp_path) == 500 * 4096
    monkeypatch.setattr(os, "sysconf_names", {})
    assert free_memory_bytes(tmp_path) == 4 << 30


def test_libraries_are_told_of_a_quota_only(monkeypatch):
    monkeypatch.setattr(hardware, "n_cores_by_affinity", lambda: 8)
    monkeypatch.setattr(hardware, "n_usable_cores", lambda: 3)
    assert hardware.thread_limit() == 3
    monkeypatch.setattr(hardware, "n_usable_cores", lambda: 8)
    assert hardware.thread_limit() is None


def test_nothing_else_counts_cores_or_memory():
    package = Path(featx.__file__).parent
    words = ("cpu_count", "sched_getaffinity", "meminfo", "cfs_quota", "cpu.max")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "tests" not in path.parts and any(word in path.read_text() for word in words)
    }
    assert found <= {"extractor/machine/hardware.py", "extractor/machine/cgroups.py"}


def test_a_machine_without_control_groups(machine):
    root = machine({})
    assert n_usable_cores(root) == 8 and free_memory_bytes(root) == AVAILABLE


def test_groups_are_found_where_the_system_does_not_say_where_they_are(machine):
    root = machine({"sys/fs/cgroup/cpu.max": "100000 100000", "sys/fs/cgroup/memory.max": str(MIB)})
    assert n_usable_cores(root) == 1 and free_memory_bytes(root) == MIB


def test_the_processor_has_a_name_without_its_file(tmp_path):
    found = this_machine(tmp_path)
    assert found.cpu and not found.flags and found.memory_bytes > 0 and found.gpus == ()


def test_processor_and_gpus_are_read_from_their_files(machine):
    root = machine({"proc/cpuinfo": "model name\t: Fast One\nflags\t\t: avx2 amx_bf16"})
    for name in ("nvidia0", "nvidiactl"):
        (root / "dev").mkdir(exist_ok=True)
        (root / "dev" / name).touch()
    found = this_machine(root)
    assert (found.cpu, found.flags) == ("Fast One", {"avx2", "amx_bf16"})
    assert found.fast_formats == ("bfloat16",) and found.gpus == ("/dev/nvidia0",)


@pytest.mark.parametrize(
    ("files", "signs"),
    [
        ({}, ()),
        ({"dev/kfd": ""}, ()),
        ({"dev/kfd": "", "opt/rocm/version": ""}, ("ROCm",)),
        ({"dev/dxg": ""}, ()),
        ({"dev/dxg": "", "usr/lib/wsl/lib/libcuda.so.1": ""}, ("WSL",)),
    ],
)
def test_signs_of_accelerators(machine, files, signs):
    assert this_machine(machine(files)).gpu_hints == signs


def test_metal_is_a_sign_on_apple_silicon(machine, monkeypatch):
    monkeypatch.setattr(hardware.sys, "platform", "darwin")
    monkeypatch.setattr(hardware.platform, "machine", lambda: "arm64")
    assert this_machine(machine({})).gpu_hints == ("Metal",)


def test_gpus_of_another_model_are_another_kind_of_processor(machine):
    path = "proc/driver/nvidia/gpus/0000:3b:00.0/information"
    device = {"dev/nvidia0": ""}
    kinds = [
        this_machine(machine({**device, path: f"Model: \t\t {model}\nIRQ: 1"})).kind
        for model in ("Tesla T4", "NVIDIA A100")
    ]
    assert kinds[0].endswith("Tesla T4") and kinds[1].endswith("NVIDIA A100")
