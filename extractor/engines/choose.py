"""Which engine runs a network here, and why."""

from __future__ import annotations

from dataclasses import replace

from ...cache.errors import ConfigError, ConversionError
from ...cache.suggest import did_you_mean
from ..backbones.record import KERAS_FORMAT
from ..machine.hardware import Hardware, this_machine
from .base import Engine, EngineRecord, Network
from .registry import ENGINES

AUTO = "auto"
FORMAT_NAMES = {KERAS_FORMAT: "Keras", "onnx": "ONNX", "openvino": "OpenVINO"}
ENGINE_NAMES = (AUTO, *ENGINES)


def choose_engine(
    wanted: str = AUTO, hardware: Hardware | None = None, format: str = KERAS_FORMAT
) -> tuple[EngineRecord, str]:
    """Return the engine for this machine, and why it is that one, in one clause; loads none.

    Parameters
    ----------
    wanted : str
        One of ``ENGINE_NAMES``.
    hardware : Hardware, optional
        By default this machine.
    format : str
        Of the backbone that it shall run.

    Raises
    ------
    ConfigError
        There is no such engine, it is not installed, or it does not run backbones of that format.
    """
    check_engine_name(wanted)
    machine = with_accelerators(hardware or this_machine())
    if wanted == AUTO:
        record = _candidates(machine, format)[0]
        accelerated = machine.gpus and record.accelerators
        return record, f"{len(machine.gpus)} GPU(s) are here" if accelerated else record.why
    record = ENGINES[wanted]
    if format not in record.formats:
        able = " or ".join(f"--engine {r.name}" for r in ENGINES.values() if format in r.formats)
        raise ConfigError(
            f"--engine {wanted} runs no backbone that is an {FORMAT_NAMES[format]} file. Use {able}"
        )
    if name := record.missing_module:
        raise ConfigError(f"--engine {wanted}: {name} is not installed (pip install {name})")
    return record, "asked for"


def with_accelerators(machine: Hardware) -> Hardware:
    """Return the machine with what a library can use, where there are signs of an accelerator.

    NVIDIA devices of the driver count without that; the library is loaded only where it is needed.
    """
    if machine.gpus or not machine.gpu_hints:
        return machine
    asked = [
        record.accelerators()
        for record in ENGINES.values()
        if record.accelerators and not record.missing_module
    ]
    names = [f"{name} ({', '.join(machine.gpu_hints)})" for devices in asked for name in devices]
    return replace(machine, gpus=tuple(names))


def runs_on_accelerator(wanted: str, format: str) -> bool:
    """Tell whether the engine that ``wanted`` means uses an accelerator; loads it if there is one.

    Parameters
    ----------
    wanted : str
        One of ``ENGINE_NAMES``.
    format : str
        Of the backbone that it shall run.
    """
    machine = with_accelerators(this_machine())
    if not machine.gpus:
        return False
    record, _ = choose_engine(wanted, machine, format)
    return bool(record.accelerators and record.accelerators())


def check_engine_name(name: str) -> None:
    """Raise ConfigError, with close matches, where there is no engine of that name."""
    if name not in ENGINE_NAMES:
        raise ConfigError(f"unknown engine {name!r}. {did_you_mean(name, ENGINE_NAMES)}")


def build_engine(network: Network, precision: str, wanted: str, batch_size: int) -> Engine:
    """Build the engine that ``wanted`` means for exactly this precision.

    Under ``auto``, a slower engine runs what the fastest one cannot (see ``slow_fallback``).

    Raises
    ------
    ConfigError, BackboneError
        There is no such engine, it cannot compute in that precision on this processor, or the
        network cannot be built.
    """
    machine = with_accelerators(this_machine())
    if wanted != AUTO:
        record, _ = choose_engine(wanted, machine, network.record.format)
        _check_precision(record, precision, machine, network.record.format)
        return record.build(network, precision, batch_size)
    able = _able(precision, machine, network.record.format)
    if not able:
        raise ConfigError(
            f"no installed engine computes {network.record.name} in {precision} on this machine. "
            f"{_installable(network.record.format)}, or use --precision float32"
        )
    if machine.gpus:  # which the library of an engine may not be able to use
        able.sort(key=lambda record: bool(record.accelerators and not record.accelerators()))
    *others, last = able
    for record in others:
        try:
            return record.build(network, precision, batch_size)
        except ConversionError:
            continue
    return last.build(network, precision, batch_size)


def _candidates(machine: Hardware, format: str) -> list[EngineRecord]:
    """Return the installed engines for a machine, those that use its GPUs first."""
    records = [
        record
        for record in ENGINES.values()
        if format in record.formats and record.runs_on(machine) and not record.missing_module
    ]
    if not records:
        raise ConfigError(
            f"no installed engine runs a backbone that is an {FORMAT_NAMES[format]} file. "
            f"{_installable(format)}"
        )
    return sorted(records, key=lambda record: bool(machine.gpus and not record.accelerators))


def _installable(format: str) -> str:
    """Return what to install for backbones of a format."""
    able = [r for r in ENGINES.values() if format in r.formats]
    names = [r.missing_module or r.requirement for r in able]
    return f"Install {' or '.join(names)}: pip install {names[-1]}"


def _able(precision: str, machine: Hardware, format: str) -> list[EngineRecord]:
    return [r for r in _candidates(machine, format) if precision in r.precisions(machine)]


def _check_precision(record: EngineRecord, precision: str, machine: Hardware, format: str) -> None:
    able = record.precisions(machine)
    if precision not in able:
        others = [r.name for r in _able(precision, machine, format)]
        slower = ", which is slower" if format == KERAS_FORMAT else ""
        instead = f", or --engine {' or '.join(others)}{slower}" if others else ""
        raise ConfigError(
            f"--engine {record.name} computes in {' or '.join(able)} on this processor, not in "
            f"{precision}. Use --precision {able[0]}{instead}"
        )
