"""What this machine offers for computing, read from files of the operating system."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import cgroups

ROOT = Path("/")
NEARLY = 0.02
"""Cores by which a quota may exceed a whole number and still count as that number."""

CORES = "FEATX_CORES"
"""The variable that limits the cores of a process, as of one of several workers."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
X86 = ("x86_64", "AMD64")
NUMBER_FLAGS = frozenset(
    ("fma", "avx2", "avx512bw", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16")
)
FORMAT_OF_FLAG = {
    "amx_bf16": "bfloat16",
    "avx512_bf16": "bfloat16",
    "avx512_fp16": "float16",
}
"""The number format that an instruction set multiplies faster than float32, fastest first."""

AVAILABLE = "MemAvailable"
UNKNOWN_MEMORY = 4 << 30
SIGNS = {
    # The kernel's device alone is also there for processors with graphics, and on any WSL.
    "ROCm": ("dev/kfd", "opt/rocm"),
    "WSL": ("dev/dxg", "usr/lib/wsl/lib/libcuda.so.1"),
}


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
        NVIDIA devices of the driver, whether or not a library can use them, as far as
        ``CUDA_VISIBLE_DEVICES`` lets this process see them.
    gpu_hints : tuple of str
        Signs of other accelerators, ``ROCm``, ``WSL`` or ``Metal``: the library is asked whether it
        can use one.
    gpu_models : tuple of str
        The names of NVIDIA devices, as in ``NVIDIA A100-SXM4-40GB``; empty where unknown.
    """

    cpu: str
    is_x86: bool
    n_cores: int
    flags: frozenset[str]
    memory_bytes: int
    gpus: tuple[str, ...]
    gpu_hints: tuple[str, ...] = ()
    gpu_models: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What decides how numbers are rounded here: the processor, its formats, the GPUs."""
        formats = sorted(self.flags & NUMBER_FLAGS)
        return " ".join([self.cpu, *formats, *sorted(set(self.gpu_models or self.gpus))])

    @property
    def fast_formats(self) -> tuple[str, ...]:
        """Number formats that the processor computes faster than float32, fastest first."""
        flags = (flag for flag in FORMAT_OF_FLAG if flag in self.flags)
        return tuple(dict.fromkeys(FORMAT_OF_FLAG[flag] for flag in flags))


def this_machine(root: Path = ROOT) -> Hardware:
    """Look at this machine; takes a millisecond and loads nothing.

    Parameters
    ----------
    root : Path
        The folder that holds ``proc``, ``sys`` and ``dev``.
    """
    cpu, flags = _processor(root)
    n_visible = _n_visible_gpus()
    return Hardware(
        cpu=cpu,
        is_x86=platform.machine() in X86,
        n_cores=n_usable_cores(root),
        flags=flags,
        memory_bytes=free_memory_bytes(root),
        gpus=_gpus(root)[:n_visible],
        gpu_hints=_gpu_hints(root) if n_visible != 0 else (),
        gpu_models=_gpu_models(root)[:n_visible],
    )


def n_usable_cores(root: Path = ROOT) -> int:
    """Return how many cores this process may use: its affinity, quotas of its containers, and
    ``FEATX_CORES``.

    A part of a core counts as a core.
    """
    limit = os.environ.get(CORES, "")
    stated = int(limit) if limit.isdigit() else sys.maxsize
    return max(1, min(n_cores_by_affinity(), _whole(cgroups.cpu_quota(root)), stated))


def n_cores_by_affinity() -> int:
    """Return how many cores this process may run on, whatever share of their time it gets."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_limit() -> int | None:
    """Return how many threads libraries may start, which do not see quotas; None: as they like."""
    n_cores = n_usable_cores()
    return n_cores if n_cores < n_cores_by_affinity() else None


def free_memory_bytes(root: Path = ROOT) -> int:
    """Return the memory that this process may still take: what is free, and limits of containers.

    Where the system does not say, half of its memory counts as free; else 4 GiB.
    """
    available = next(
        (int(value) << 10 for key, value in _entries(root / "proc/meminfo") if key == AVAILABLE),
        None,
    )
    if available is None:
        available = _physical_bytes() // 2 or UNKNOWN_MEMORY
    return int(min(available, cgroups.free_memory(root)))


def _physical_bytes() -> int:
    """Return the size of the memory, 0 where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= names.keys():
        return 0
    return max(0, os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")


def _n_visible_gpus() -> int | None:
    """Return how many GPUs this process is let see; None: all of them."""
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return None
    names = [name.strip() for name in visible.split(",")]
    # What follows -1 is hidden, as the CUDA programming guide says.
    return names.index("-1") if "-1" in names else len([name for name in names if name])


def _whole(n_cores: float) -> int:
    return math.ceil(n_cores - NEARLY) if math.isfinite(n_cores) else sys.maxsize


def _processor(root: Path) -> tuple[str, frozenset[str]]:
    name, flags = "", frozenset[str]()
    for key, value in _entries(root / "proc/cpuinfo"):
        if key == "model name":
            name = value
        elif key == "flags":
            flags = frozenset(value.split())
            break
    # Python starts a program to find this out, so it comes last.
    return name or platform.processor() or platform.machine(), flags


def _gpus(root: Path) -> tuple[str, ...]:
    try:
        names = sorted(os.listdir(root / "dev"))  # noqa: PTH208 (names, not paths)
    except OSError:
        return ()
    return tuple(f"/dev/{n}" for n in names if n.startswith("nvidia") and n[6:].isdigit())


def _gpu_models(root: Path) -> tuple[str, ...]:
    paths = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    return tuple(value for path in paths for key, value in _entries(path) if key == "Model")


def _gpu_hints(root: Path) -> tuple[str, ...]:
    """Return signs of accelerators that are no NVIDIA device of this system's own driver."""
    signs = {name: all((root / path).exists() for path in paths) for name, paths in SIGNS.items()}
    signs["Metal"] = sys.platform == "darwin" and platform.machine() == "arm64"
    return tuple(name for name, is_there in signs.items() if is_there)


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the keys and values of a file of ``key: value`` lines; a unit is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        key, _, value = line.partition(":")
        yield key.strip(), value.strip().removesuffix(" kB")
