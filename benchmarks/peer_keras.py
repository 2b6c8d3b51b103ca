"""The peer: today's recipe, as one command. Its loader is the faster of Keras' two.

python benchmarks/peer_keras.py FOLDER BACKBONE N_IMAGES OUT.npy
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH = 32
SIZE = (224, 224)


def main() -> None:
    """Load with Keras, preprocess, predict in float32, save the features."""
    folder, name, n_images, out = sys.argv[1:5]
    import keras
    import numpy as np

    images = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=SIZE, batch_size=BATCH, shuffle=False, verbose=False
    )
    model, preprocess = _model(name)
    batches = images.unbatch().take(int(n_images)).batch(BATCH).map(preprocess)
    np.save(out, model.predict(batches.prefetch(2), verbose=0))


def _model(name: str) -> tuple[Any, Any]:
    from keras import applications

    places = {
        "resnet50": (applications.ResNet50, applications.resnet.preprocess_input),
        "vgg19": (applications.VGG19, applications.vgg19.preprocess_input),
        "mobilenet": (applications.MobileNet, applications.mobilenet.preprocess_input),
    }
    if name == "efficientnet_lite0":
        from featx.extractor.backbones import efficientnet_lite0

        model = efficientnet_lite0.build(include_top=False, input_shape=(*SIZE, 3))
        return model, lambda x: (x - 127.0) / 128.0
    build, preprocess = places[name]
    model = build(weights=None, include_top=False, pooling="avg", input_shape=(*SIZE, 3))
    return model, preprocess


if __name__ == "__main__":
    main()
