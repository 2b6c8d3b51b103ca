"""The features of an image file, computed as those of a set were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet
from ...cache.errors import FeatureMismatchError
from ...extractor.engines import run_rows
from ...extractor.images.decode import decode, strict_images
from ...extractor.plan import plan_for
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
    plan = plan_for(features.spec, weights)
    if plan.spec != features.spec:
        raise FeatureMismatchError(
            "the features were made with other weights than this machine has of "
            f"{features.spec.backbone}: name theirs with --weights"
        )
    with strict_images():
        (pixels,) = decode(open_source(image).read(0), [plan.geometry])
    (X,) = run_rows(plan.build_engine(1), pixels[np.newaxis])
    stored: NDArray[Any] = X[0].astype(features.spec.storage)
    return stored.astype(np.float32)
