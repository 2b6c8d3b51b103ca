"""What this machine offers for computing, read from files of the operating system."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")
DEVICES = Path("/dev")
CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
CGROUP_V1 = tuple(Path(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
X86 = ("x86_64", "AMD64")
UNKNOWN_MEMORY = 4 << 30


@dataclass(frozen=True)
class Hardware:
    """A machine's processor, memory and accelerators.

    Attributes
    ----------
    cpu : str
        The processor's name.
    is_x86 : bool
    n_cores : int
        Cores that this process may use.
    flags : frozenset of str
        Instruction sets by their Linux names, such as ``amx_bf16``; empty where unknown.
    memory_bytes : int
        Memory that is free now.
    gpus : tuple of str
        NVIDIA devices of the driver, whether or not a library can use them.
    """

    cpu: str
    is_x86: bool
    n_cores: int
    flags: frozenset[str]
    memory_bytes: int
    gpus: tuple[str, ...]

    @property
    def fast_formats(self) -> tuple[str, ...]:
        """Number formats that the processor computes faster than float32, fastest first."""
        found = []
        if "amx_bf16" in self.flags:
            found.append("bfloat16")
        if "avx512_fp16" in self.flags:
            found.append("float16")
        return tuple(found)


def this_machine() -> Hardware:
    """Look at this machine; takes a millisecond and loads nothing."""
    cpu, flags = _processor()
    return Hardware(
        cpu=cpu,
        is_x86=platform.machine() in X86,
        n_cores=n_usable_cores(),
        flags=flags,
        memory_bytes=_free_memory(),
        gpus=_gpus(),
    )


def n_usable_cores() -> int:
    """Return how many cores this process may use, a container's quota counted in."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min(n_cores or 1, _quota())))


def _quota() -> float:
    """Return how many cores' time the container may take; infinite where nothing limits it."""
    older = [word for name in CGROUP_V1 for word in _words(name)]
    for words in (_words(CGROUP_V2), older):
        try:
            quota, period = map(float, words)
        except ValueError:  # no such file, or `max`
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _processor() -> tuple[str, frozenset[str]]:
    name = ""
    for line in _lines(CPUINFO):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() == "flags":
            return name or platform.machine(), frozenset(value.split())
    # Python starts a program to find this out, so it comes last.
    return name or platform.processor() or platform.machine(), frozenset()


def _free_memory() -> int:
    for line in _lines(MEMINFO):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return UNKNOWN_MEMORY


def _gpus() -> tuple[str, ...]:
    try:
        names = sorted(os.listdir(DEVICES))  # noqa: PTH208 (names, not paths)
    except OSError:
        return ()
    return tuple(f"/dev/{n}" for n in names if n.startswith("nvidia") and n[6:].isdigit())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
