"""The batch size of a run, found by measuring."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..machine.hardware import this_machine
from ..plan import Plan
from . import Engine, choose_engine, is_out_of_memory
from .base import CPU_BATCHES
from .choose import with_accelerators
from .model_folder import model_folder

DEFAULT_ON_CPU = CPU_BATCHES.default
WORTH_MEASURING = 4000
"""Images below which the measurement would cost more than it gains."""

SECONDS = 0.6
GAIN = 1.03
"""A larger batch must be this much faster: it costs memory."""

COPIES = 64
"""An image in flight stands for so many times its bytes: float32, and its first feature maps."""


def choose_batch_size(plan: Plan, engine: str, n_images: int) -> int:
    """Return the batch size for a run over ``n_images``.

    It is measured once for a network, an engine and a machine, and bounded by an eighth of the free
    memory; small runs take a default.
    """
    machine = with_accelerators(this_machine())
    record, _ = choose_engine(engine, machine, plan.record.format)
    sizes = record.batch_sizes(machine)
    fitting = max(1, machine.memory_bytes // 8 // (plan.network.image_bytes * COPIES))
    default = min(sizes.default, _power_below(fitting))
    folder = model_folder(plan.network)
    note = f"batch-{record.name}-{plan.spec.precision}-{machine.n_cores}"
    noted = (folder.read_note(note) or {}).get("batch_size")
    if isinstance(noted, int) and 1 <= noted <= fitting:
        return noted
    if n_images < WORTH_MEASURING:
        return default
    rates = _measure(plan, engine, [n for n in sizes.candidates if n <= fitting])
    best = best_batch(rates) or default
    folder.write_note(note, {"batch_size": best, "images_per_second": rates})
    return best


def best_batch(rates: dict[int, float]) -> int:
    """Return the smallest batch size that no larger one beats by a margin; 0 where there is none.

    Parameters
    ----------
    rates : dict of int to float
        Images/s by batch size.
    """
    best = 0
    for size in sorted(rates):
        if not best or rates[size] > GAIN * rates[best]:
            best = size
    return best


def _measure(plan: Plan, engine: str, sizes: list[int]) -> dict[int, float]:
    rates: dict[int, float] = {}
    for size in sizes:
        try:
            rates[size] = images_per_second(
                plan.build_engine(size, engine), plan.network.image_size
            )
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            break
    return rates


def images_per_second(
    engine: Engine, image_size: tuple[int, int], seconds: float = SECONDS
) -> float:
    """Return how many images already in memory an engine computes in a second."""
    shape = (engine.batch_size, *image_size, 3)  # of noise: some chips are faster on zeros
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    engine.run(images)
    n_done = 0
    start = time.perf_counter()
    with ThreadPoolExecutor(engine.n_parallel) as executor:
        while time.perf_counter() - start < seconds:
            n_done += len(list(executor.map(engine.run, [images] * engine.n_parallel)))
    return n_done * engine.batch_size / (time.perf_counter() - start)


def _power_below(n: int) -> int:
    return 1 << (n.bit_length() - 1)
