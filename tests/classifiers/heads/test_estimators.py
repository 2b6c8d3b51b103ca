"""Every head against scikit-learn's own checks; the exceptions are named and explained."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from featx.classifiers.heads.registry import HEADS, make_head

WEIGHT = "check_sample_weight_equivalence_on_dense_data"
FOLDS = "its temperature comes from held-out samples: repeating rows changes who is held out"
EXCEPTIONS = {
    "LogisticHead": {WEIGHT: "the solver computes in float32; test_parity compares within 1e-3"},
    "LinearSVMHead": {WEIGHT: FOLDS},
    "RBFSVMHead": {WEIGHT: FOLDS},
    "KNNHead": {WEIGHT: "of k neighbours, two may be copies of a repeated row"},
    "DenseHead": {WEIGHT: "repeating rows changes batches and who is held out"},
}
# The checks look at behaviour, not at how good a network gets.
OPTIONS = {
    "dense": {"hidden": (16,), "epochs": 15, "lr": 0.04, "batch_size": 32},
    "projection": {"width": 64},
}


def expected_failures(head):
    return EXCEPTIONS.get(type(head).__name__, {})


@parametrize_with_checks(
    [make_head(name, **OPTIONS.get(name, {})) for name in HEADS],
    expected_failed_checks=expected_failures,
)
def test_head_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
