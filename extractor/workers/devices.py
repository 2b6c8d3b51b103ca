"""The devices of this machine, and what makes one of them visible to a process."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ...cache.errors import ConfigError
from ..engines.choose import AUTO, with_accelerators
from ..machine.hardware import CORES, VISIBLE, n_usable_cores, this_machine

PROCESSOR = re.compile(r"cpu(?::(\d+))?")
VISIBLE_ROCM = "HIP_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Device:
    """What one worker computes on.

    Attributes
    ----------
    name : str
        For people.
    environment : dict of str to str
        Makes it the only device that a framework sees, and limits the cores.
    """

    name: str
    environment: dict[str, str]


def choose_devices(text: str) -> list[Device]:
    """Return the devices that ``--devices`` names, one for each worker; none where there is none.

    Each gets its share of the cores.

    Raises
    ------
    ConfigError
        The text is not understood, or names a device that is not here.
    """
    match = PROCESSOR.fullmatch(text.strip())
    if match:
        n_workers = int(match[1] or 1)
        if not n_workers:
            raise ConfigError(f"--devices {text}: expected one worker or more, such as cpu:2")
        return _devices([f"cpu {number}" for number in range(n_workers)], ["-1"] * n_workers)
    numbers = _accelerators() if text.strip() == AUTO else _named(text)
    return _devices([f"device {number}" for number in numbers], numbers)


def _accelerators() -> list[str]:
    visible = os.environ.get(VISIBLE)
    machine = with_accelerators(this_machine())
    if visible and machine.gpus:
        return visible.split(",")[: len(machine.gpus)]
    return [str(number) for number in range(len(machine.gpus))]


def _named(text: str) -> list[str]:
    numbers = [number.strip() for number in text.split(",")]
    here = _accelerators()
    if not all(numbers) or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"--devices takes auto, numbers such as 0,1, or cpu:2 for two workers on the "
            f"processor; each device once. Got {text!r}"
        )
    missing = [number for number in numbers if number not in here]
    if missing:
        there = f"here are {', '.join(here)}" if here else "no accelerator is here"
        raise ConfigError(
            f"--devices {text}: {', '.join(missing)} is not here; {there}. cpu:2 starts two "
            "workers on the processor"
        )
    return numbers


def _devices(names: list[str], visible: list[str]) -> list[Device]:
    n_cores, n_workers = n_usable_cores(), len(names)
    return [
        Device(
            name,
            {
                VISIBLE: number,
                VISIBLE_ROCM: number,
                # The first ones take what is over.
                CORES: str(max(1, n_cores // n_workers + (i < n_cores % n_workers))),
            },
        )
        for i, (name, number) in enumerate(zip(names, visible, strict=True))
    ]
