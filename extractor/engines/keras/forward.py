"""One compiled function from pixels to vectors, which several threads may call at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.places.home import writable_home
from ..keras_import import import_keras

Forward = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], ...]]
COMPILED = "jax"
"""The folder of ``FEATX_HOME`` where JAX keeps what it compiled for an accelerator."""


def compile_forward(model: Any, on_accelerator: bool) -> Forward:
    """Return a function from uint8 ``(n, h, w, 3)`` to one float32 array for each output.

    Parameters
    ----------
    model : keras.Model
    on_accelerator : bool
        TensorFlow then compiles with XLA, and JAX keeps what it compiled for the next run, unless
        ``JAX_COMPILATION_CACHE_DIR`` names a folder of its own.
    """
    backend = import_keras().backend.backend()
    if backend == "jax":
        if on_accelerator:
            _keep_compiled()
        return _jax_forward(model)
    if on_accelerator and backend == "tensorflow":
        model.compile(jit_compile=True)
    return lambda images: _arrays(model.predict_on_batch(images))


def _jax_forward(model: Any) -> Forward:
    """Compile the model without Keras' ``predict_on_batch``, which assigns state in each call."""
    import jax

    trainable = [variable.value for variable in model.trainable_variables]
    frozen = [variable.value for variable in model.non_trainable_variables]

    def forward(trainable: Any, frozen: Any, images: Any) -> Any:
        outputs, _ = model.stateless_call(trainable, frozen, images, training=False)
        return outputs

    compiled = jax.jit(forward)
    return lambda images: _arrays(compiled(trainable, frozen, images))


def _arrays(outputs: Any) -> tuple[NDArray[np.float32], ...]:
    several = outputs if isinstance(outputs, list | tuple) else [outputs]
    return tuple(np.asarray(output, np.float32) for output in several)


def _keep_compiled() -> None:
    import jax

    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(writable_home() / COMPILED))
