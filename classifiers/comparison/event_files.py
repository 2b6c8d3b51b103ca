"""Training curves as event files, which TensorBoard serves."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...cache.errors import CacheWriteError, ConfigError

PARTS = {"train": "", "validation": "val_"}
"""The runs of a network, as Keras names them, and what their curves' names begin with."""
NOT_IN_NAMES = re.compile(r"[^\w.=,+-]+")


def write_training_curves(
    folder: Path, histories: Mapping[str, Mapping[str, Sequence[float]]]
) -> list[Path]:
    """Write the curves of networks for ``tensorboard --logdir``.

    Each network has the runs ``NAME/train`` and ``NAME/validation``, with the scalars
    ``epoch_loss`` and ``epoch_accuracy``. Curves that an earlier call wrote for a network of the
    same name are replaced.

    Parameters
    ----------
    folder : Path
    histories : mapping of str to mapping
        By the network's name its curves: ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ConfigError
        No network has curves, or TensorFlow, which writes event files, is not installed.
    CacheWriteError
        The file system refused.
    """
    written = []
    for name, history in histories.items():
        for part, prefix in PARTS.items():
            curves = {
                f"epoch_{curve.removeprefix(prefix)}": values
                for curve, values in history.items()
                if curve.startswith("val_") == bool(prefix)
            }
            if any(curves.values()):
                run = folder / NOT_IN_NAMES.sub("_", name) / part
                written.append(_write_run(run, curves))
    if not written:
        raise ConfigError(
            "--tensorboard: no training curves: of the heads only dense is trained in epochs"
        )
    return written


def check_tensorboard() -> None:
    """Refuse ``--tensorboard`` before training where TensorFlow is not installed."""
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "--tensorboard needs TensorFlow, which writes event files: pip install tensorflow"
        ) from error


def _write_run(run: Path, curves: Mapping[str, Sequence[float]]) -> Path:
    """Write one event file into the folder of a run; the earlier ones of featx go."""
    import tensorflow as tf

    path = run / f"events.out.tfevents.{int(time.time())}.featx.{uuid.uuid4().hex[:8]}"
    try:
        run.mkdir(parents=True, exist_ok=True)
        earlier = list(run.glob("events.out.tfevents.*.featx.*"))
        with tf.io.TFRecordWriter(str(path)) as writer:
            for event in _events(curves):
                writer.write(event)
        for old in earlier:
            old.unlink()
    except (OSError, tf.errors.OpError) as error:
        raise CacheWriteError(f"cannot write {path}: {error}") from error
    return path


def _events(curves: Mapping[str, Sequence[float]]) -> Iterator[bytes]:
    """Yield the events of a run: its version, then a value of each curve and epoch."""
    import tensorflow as tf

    event, summary, now = tf.compat.v1.Event, tf.compat.v1.Summary, time.time()
    yield event(wall_time=now, file_version="brain.Event:2").SerializeToString()
    for tag, values in curves.items():
        for epoch, value in enumerate(values):
            scalar = summary(value=[summary.Value(tag=tag, simple_value=value)])
            yield event(wall_time=now, step=epoch, summary=scalar).SerializeToString()
