"""What tests of dense networks share."""

from __future__ import annotations

from typing import Any

from featx.classifiers.heads.dense.network import Layers, NetworkSpec, Preset

SPEC = NetworkSpec(Preset((7, 5)), lr=0.01, weight_decay=0.02, epochs=1, patience=1, seed=3)


def keras_twin(layers: Layers, spec: NetworkSpec) -> Any:
    """Keras' own network with the weights of ``layers``, and Keras' own optimiser."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((len(layers[0][0]),)),
            *(keras.layers.Dense(width, "relu") for width in spec.shape.hidden),
            keras.layers.Dense(10),
        ]
    )
    model.set_weights([array for layer in layers for array in layer])
    model.compile(
        optimizer=keras.optimizers.AdamW(spec.lr, weight_decay=spec.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model
