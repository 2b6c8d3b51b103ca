"""An epoch of fine-tuning from the cache, beside Keras' of the whole network with a frozen front.

    python benchmarks/finetune.py [--backbones mobilenet] [--images 128] [--repeats 3] [--out FILE]

Both train the same layers on the same images in the same batches, in turns, and featx once more
where an epoch draws one of four views of each image. Keras' pixels are decoded and normalised
beforehand, featx' maps are cached: neither pays for what runs once. The weights are random but for
the embedded backbone's, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featx.classifiers.tuning.head import FinetunedHead
from featx.classifiers.tuning.samples import MapSamples
from featx.classifiers.tuning.tail import cut_tail
from featx.classifiers.tuning.training import TailTrainer
from featx.extractor.backbones import build_backbone, find_layer
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import LogObserver

CUTS = {
    "efficientnet_lite0": {"last block": "block6d_add", "last two stages": "block5c_add"},
    "mobilenet": {"last block": "conv_pw_12_relu", "last two stages": "conv_pw_5_relu"},
    "resnet50": {"last block": "conv5_block2_out", "last two stages": "conv3_block4_out"},
}
N_CLASSES, BATCH, SIDE, N_VIEWS = 10, 32, 224, 4


def plan_of(backbone: str) -> Plan:
    """Return the plan of a backbone in float32."""
    weights = "imagenet" if backbone == "efficientnet_lite0" else "random:0"
    return make_plan(FeatureOptions(backbone=backbone, weights=weights, precision="float32"))


def whole_network(plan: Plan, layer: str) -> Any:
    """Return Keras' model of the whole backbone, frozen up to ``layer``, ready to be trained."""
    import keras

    backbone = build_backbone(plan.record, plan.weights, (SIDE, SIDE))
    trained = {found.name for found in cut_tail(plan, layer).layers}
    for found in backbone.layers:
        is_norm = isinstance(found, keras.layers.BatchNormalization)
        found.trainable = found.name in trained and not is_norm
    features = backbone.output
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(backbone.input, keras.layers.Dense(N_CLASSES)(features))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, jit_compile=False)
    return model


def seconds_of(backbone: str, layer: str, n_images: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of an epoch: Keras' of the whole network, featx', with views."""
    import keras

    plan, rng = plan_of(backbone), np.random.default_rng(0)
    images = rng.normal(size=(n_images, SIDE, SIDE, 3)).astype(np.float32)
    y = np.arange(n_images) % N_CLASSES
    network = whole_network(plan, layer)
    source = build_backbone(plan.record, plan.weights, (SIDE, SIDE))
    front = keras.Model(source.input, find_layer(source, layer).output)
    maps = np.concatenate(
        [front.predict_on_batch(images[i : i + 32]) for i in range(0, n_images, 32)]
    )
    samples = MapSamples(maps.reshape(n_images, -1).astype(np.float16), y)
    viewed = replace(samples, views=[samples.maps.copy() for _ in range(N_VIEWS - 1)])
    nothing = MapSamples(samples.maps[:0], y[:0])

    def trainer_of(learned: MapSamples) -> TailTrainer:
        tail = cut_tail(plan, layer)
        parts = [tail.features(maps[i : i + 32]) for i in range(0, n_images, 32)]
        head = FinetunedHead(layer, batch_size=BATCH).fit(np.concatenate(parts), y)
        return TailTrainer(tail, head, learned, nothing)

    plain, with_views = trainer_of(samples), trainer_of(viewed)

    def keras_epoch() -> None:
        for start in range(0, n_images, BATCH):
            network.train_on_batch(images[start : start + BATCH], y[start : start + BATCH])

    epochs = {
        "keras": keras_epoch,
        "featx": lambda: plain.run_epoch(LogObserver()),
        "views": lambda: with_views.run_epoch(LogObserver()),
    }
    taken: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(repeats + 1):  # the first epoch compiles
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=list(CUTS), choices=list(CUTS))
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for backbone in arguments.backbones:
        for depth, layer in CUTS[backbone].items():
            seconds = seconds_of(backbone, layer, arguments.images, arguments.repeats)
            rows.append({"backbone": backbone, "from": layer, **seconds})
            keras, featx = seconds["keras"], seconds["featx"]
            print(
                f"{backbone}, {depth} (from {layer}): Keras {keras:.2f} s, featx {featx:.2f} s an "
                f"epoch of {arguments.images} images: {keras / featx:.1f} times as fast; with "
                f"{N_VIEWS} views {seconds['views']:.2f} s",
                flush=True,
            )
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
