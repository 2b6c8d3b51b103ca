"""A classifier of scikit-learn on exported features, cross-validated.

    featx cache export features.safetensors
    python classify_sklearn.py features.safetensors

Needs scikit-learn, safetensors.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(path: str) -> None:
    with safe_open(path, "numpy") as file:
        X, y = file.get_tensor("X").astype(np.float32), file.get_tensor("y")
        class_names = json.loads(file.metadata()["class_names"])
    labelled = y >= 0
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    accuracy = cross_val_score(classifier, X[labelled], y[labelled], cv=3).mean()
    print(f"{len(class_names)} classes, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
