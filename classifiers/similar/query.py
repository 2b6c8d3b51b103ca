"""The features of an image file, computed as those of a set were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet
from ...cache.errors import FeatureMismatchError
from ...extractor.backbones.tuned import TailWeights
from ...extractor.feature_plans import plans_for
from ...extractor.images.decode import decode, strict_images
from ...extractor.sources import open_source


def features_of_image(features: FeatureSet, image: str, weights: str) -> NDArray[np.float32]:
    """Return the features ``(d,)`` of an image file, rounded as those of the set are kept.

    Raises
    ------
    FeatureMismatchError
        This machine's backbone is not the one of the features.
    ImageError
        The file is no image.
    """
    plans = plans_for(features.spec, weights, TailWeights.recall(features.spec, features.layout))
    if plans.spec != features.spec:
        raise FeatureMismatchError(
            "the features were made with other weights than this machine has of "
            f"{features.spec.backbone}: name theirs with --weights"
        )
    with strict_images():
        images = decode(open_source(image).read(0), plans.geometries)
    row: NDArray[np.float32] = plans.compute([pixels[np.newaxis] for pixels in images])[0]
    return row
