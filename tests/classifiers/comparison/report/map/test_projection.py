"""Principal components and t-SNE."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from selection_shared import three_classes
from sklearn.decomposition import PCA

from featx.classifiers.comparison.report.map.projection import has_tsne, principal_components, tsne


def test_components_are_those_of_scikit_learn(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 150)
    rows = np.arange(10, 150)
    found, explained = principal_components(features.X, rows, 4)
    expected = PCA(4).fit(features.X[rows])
    theirs = expected.transform(features.X[rows])
    signs = np.sign((found * theirs).sum(axis=0))
    assert np.allclose(found * signs, theirs, atol=1e-3)
    assert np.allclose(explained, expected.explained_variance_ratio_, atol=1e-5)
    again, _ = principal_components(features.X, rows, 4)
    assert np.array_equal(found, again)


@pytest.mark.skipif(not has_tsne(), reason="needs openTSNE: pip install 'featx[report]'")
def test_tsne_keeps_classes_together(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 90, noise=0.2)
    components, _ = principal_components(features.X, np.arange(90))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xy = tsne(components)
    middles = np.stack([xy[features.y == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(xy[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == features.y).mean() > 0.95
