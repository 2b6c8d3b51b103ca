"""Dense networks in compiled steps: each learns what Keras' own layers and AdamW would teach it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from tests_dense import SPEC, keras_twin

from featx.classifiers.heads.dense import compiled_networks
from featx.classifiers.heads.dense.compiled_networks import CompiledNetworks, fits
from featx.classifiers.heads.dense.dense_head import DenseHead
from featx.classifiers.heads.dense.network import Preset, forward
from featx.classifiers.heads.joint_fit import fit_many
from tests_shared import interrupted

if not compiled_networks.IS_COMPILED:
    pytest.skip("no compiler was there at installation", allow_module_level=True)

SIZES = (64, 10, 32)
UNITS = ("avx512", "avx2", "plain")
ONE_LAYER = replace(SPEC, shape=Preset((37,)))
SPECS = [
    ONE_LAYER,
    replace(ONE_LAYER, lr=0.05, weight_decay=0.0),
    replace(SPEC, shape=Preset((96,))),
    replace(SPEC, shape=Preset()),
]


def drawn(specs):
    """Return networks whose last layers are drawn, so that every layer learns at once."""
    networks = CompiledNetworks(specs, *SIZES)
    rng = np.random.default_rng(0)
    for network in networks._networks:
        n_classes, weights = SIZES[1], network._weights
        last = weights.top if network._n_hidden else weights.units[:n_classes, : SIZES[0]]
        last[:] = rng.uniform(-0.2, 0.2, last.shape)
    return networks


def learn(networks, digits, *, units="", n_threads=2, weight=b"", n_steps=10, first=0):
    """Let networks learn from the digits in their order; return their summed losses."""
    _, _, size = SIZES
    rows = np.arange(first * size, (first + n_steps) * size)
    data = (np.ascontiguousarray(digits.X / 16), rows, digits.y[rows], weight)
    views = sorted({compiled_networks._input_dropout(net._spec) for net in networks._networks})
    keys = [(rate, compiled_networks._key(seed, 0)) for rate, seed in views]
    own = [net.arguments(views) for net in networks._networks]
    sizes = (*SIZES, n_steps, first)
    try:
        return compiled_networks._dense.learn(own, keys, data, sizes, n_threads, units)
    except ValueError:
        if units in UNITS:
            pytest.skip(f"this processor has no {units}")
        raise


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("units", UNITS)
def test_each_network_learns_as_with_keras_own_layers_and_optimizer(units, weighted, digits):
    networks = drawn(SPECS)
    twins = [keras_twin(networks.layers(i), spec) for i, spec in enumerate(SPECS)]
    weight = np.tile(np.linspace(0.5, 1.5, 32, dtype=np.float32), 10) if weighted else b""
    found = learn(networks, digits, units=units, weight=weight)
    losses = np.zeros(len(SPECS))
    for start in range(0, 320, 32):
        rows = slice(start, start + 32)
        own = weight[rows] if weighted else None
        for i, twin in enumerate(twins):
            logs = twin.train_on_batch(digits.X[rows] / 16, digits.y[rows], sample_weight=own)
            losses[i] += np.ravel(logs)[0]
    np.testing.assert_allclose(found, losses, rtol=1e-3)
    for i, twin in enumerate(twins):
        expected = np.asarray(twin.predict_on_batch(digits.X_test / 16))
        own = forward(digits.X_test / 16, networks.layers(i))
        np.testing.assert_allclose(own, expected, atol=2e-4)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 7, 15, 33])
def test_any_number_of_classes_and_a_ragged_batch(n_classes):
    # Adam's first step is the rate times g / (|g| + epsilon / sqrt(1 - beta_2)).
    rng = np.random.default_rng(n_classes)
    X, y = rng.standard_normal((21, 40), np.float32), rng.integers(0, n_classes, 21)
    networks = CompiledNetworks([replace(SPEC, shape=Preset(), weight_decay=0)], 40, n_classes, 21)
    ((kernel, bias),) = networks.layers(0)
    (network,) = networks._networks
    data = (X, np.arange(21), y, b"")
    views = [compiled_networks._input_dropout(network._spec)]
    sizes = (40, n_classes, 21, 1, 0)
    own = [network.arguments(views)]
    (loss,) = compiled_networks._dense.learn(own, [(0.0, 1)], data, sizes, 2)
    logits = X @ kernel + bias
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    assert loss == pytest.approx(-np.log(shares[np.arange(21), y]).mean(), abs=1e-5)
    gradient = X.T @ (shares - np.eye(n_classes)[y]) / 21
    ((moved, _),) = networks.layers(0)
    expected = kernel - SPEC.lr * gradient / (np.abs(gradient) + 1e-7 / np.sqrt(0.001))
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize("in_tiles", [False, True])
def test_threads_and_company_change_no_bit(in_tiles, digits, monkeypatch):
    monkeypatch.setattr(compiled_networks, "FAST_SIZE", 0 if in_tiles else 1 << 17)
    dropping = [
        replace(ONE_LAYER, shape=Preset((37,), 0.3)),
        replace(ONE_LAYER, shape=Preset((70,), 0.5, dropout_first=True)),
    ]
    specs = [*SPECS, *dropping]
    together = CompiledNetworks(specs, *SIZES)
    learn(together, digits, n_threads=3)
    for i, spec in enumerate(specs):
        alone = CompiledNetworks([spec], *SIZES)
        learn(alone, digits, n_threads=1, n_steps=4)
        learn(alone, digits, n_threads=2, n_steps=6, first=4)
        for own, other in zip(alone.layers(0), together.layers(i), strict=True):
            np.testing.assert_array_equal(own[0], other[0])
            np.testing.assert_array_equal(own[1], other[1])


def test_products_stay_within_the_rounding_of_bfloat16(digits, monkeypatch):
    if not compiled_networks._dense.multiplies_bfloat16():
        pytest.skip("this processor multiplies no bfloat16")
    losses = []
    for size in (1 << 17, 0):
        monkeypatch.setattr(compiled_networks, "FAST_SIZE", size)
        losses.append(learn(drawn(SPECS), digits))
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)
    assert all(exact != rounded for exact, rounded in zip(*losses, strict=True))


@pytest.mark.parametrize(
    ("shape", "position"),
    [
        (Preset((400,), 0.4, dropout_first=True), 0),
        (Preset((400,), 0.4), 1),
        (Preset((), 0.4), 0),
    ],
)
def test_dropout_silences_its_share(shape, position):
    # What is silenced for the only sample has no gradient, and so stays where it was.
    spec = replace(SPEC, shape=shape, weight_decay=0)
    stayed = []
    for step in range(2):
        networks = CompiledNetworks([spec], 400, 3, 1)
        (network,) = networks._networks
        network._weights.units[:400, :400] = 1 / 400  # all units answer
        if shape.hidden:
            network._weights.top[:] = np.linspace(-1, 1, 3)  # and count
        before = networks.layers(0)[position][0]
        data = (np.ones((1, 400), np.float32), np.zeros(1, np.int64), np.ones(1, np.int64), b"")
        views = [compiled_networks._input_dropout(spec)]
        keys = [(rate, compiled_networks._key(seed, 0)) for rate, seed in views]
        own = [network.arguments(views)]
        compiled_networks._dense.learn(own, keys, data, (400, 3, 1, 1, step), 1)
        stayed.append((networks.layers(0)[position][0] == before).all(axis=1))
        assert stayed[-1].mean() == pytest.approx(0.4, abs=0.08)
    assert np.mean(stayed[0] & stayed[1]) == pytest.approx(0.16, abs=0.06)  # another draw each


def test_what_does_not_fit_is_refused(digits):
    networks = CompiledNetworks([ONE_LAYER], *SIZES)
    (network,) = networks._networks
    views = [(0.0, 0)]
    state, *others = network.arguments(views)
    X, rows, y = np.ascontiguousarray(digits.X[:32]), np.arange(32), digits.y[:32]
    sizes = (*SIZES, 1, 0)

    def run(state=state, X=X, rows=rows, y=y, sizes=sizes, views=views, units=""):
        own = [(state, *others)]
        return compiled_networks._dense.learn(own, views, (X, rows, y, b""), sizes, 1, units)

    assert len(run()) == 1
    beyond, unknown = rows + 1, y + 10
    for changes in (
        {"state": state[:, :-1].copy()},
        {"X": X[:5]},
        {"rows": beyond},
        {"rows": rows[:5]},
        {"y": unknown},
        {"y": -y - 1},
        {"sizes": (64, 9, 32, 1, 0)},
        {"sizes": (0, 10, 32, 1, 0)},
        {"views": []},
        {"units": "abacus"},
    ):
        with pytest.raises(ValueError, match="fit"):
            run(**changes)


def test_deep_networks_are_left_to_keras():
    assert fits(ONE_LAYER)
    assert fits(replace(SPEC, shape=Preset()))
    assert not fits(SPEC)


def test_a_grid_together_equals_each_head_alone_bit_by_bit(digits, monkeypatch):
    monkeypatch.setattr(compiled_networks, "FAST_SIZE", 0)
    X, y = digits.X[:600], digits.y[:600]
    grid = [
        DenseHead("softmax", epochs=6, lr=0.01),
        DenseHead("dropout", epochs=9, patience=1, lr=0.03),
        DenseHead("dropout", epochs=5, dropout=0.2),
        DenseHead(hidden=(33,), epochs=4, weight_decay=0.1),
    ]
    for head, found in zip(grid, fit_many([clone(head) for head in grid], X, y), strict=True):
        alone = clone(head).fit(X, y)
        assert found.history_ == alone.history_
        np.testing.assert_array_equal(
            found.predict_proba(digits.X_test), alone.predict_proba(digits.X_test)
        )


def test_without_a_compiler_keras_trains_the_same_networks(digits, monkeypatch):
    head = DenseHead("softmax", epochs=8, lr=0.01)
    compiled = clone(head).fit(digits.X, digits.y)
    monkeypatch.setattr(compiled_networks, "IS_COMPILED", False)
    keras = clone(head).fit(digits.X, digits.y)
    np.testing.assert_allclose(
        compiled.predict_proba(digits.X_test), keras.predict_proba(digits.X_test), atol=1e-3
    )
    np.testing.assert_allclose(compiled.history_["loss"], keras.history_["loss"], rtol=1e-3)


def test_neither_keras_nor_its_backend_is_loaded():
    code = (
        "import sys, numpy as np\n"
        "from featx.classifiers.heads.dense.dense_head import DenseHead\n"
        "X = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)\n"
        "head = DenseHead('mlp', epochs=2).fit(X, (X[:, 0] > 0).astype(int))\n"
        "assert head.predict_proba(X).shape == (60, 2)\n"
        "print(*{'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules))\n"
    )
    env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "" and done.stderr.strip() == ""


def test_ctrl_c_ends_a_call_that_would_go_on():
    code = (
        "import numpy as np\n"
        "from featx.classifiers.heads.dense.compiled_networks import CompiledNetworks, _dense\n"
        "from featx.classifiers.heads.dense.network import NetworkSpec, Preset\n"
        "spec = NetworkSpec(Preset((512,)), 1e-3, 0.0, 1, 1)\n"
        "networks = CompiledNetworks([spec], 512, 3, 256)\n"
        "rows = np.zeros(256 * 100_000, np.int64)\n"
        "data = (np.ones((1, 512), np.float32), rows, rows, b'')\n"
        "arguments = [networks._networks[0].arguments([(0.0, 0)])]\n"
        "print('ready', flush=True)\n"
        "_dense.learn(arguments, [(0.0, 1)], data, (512, 3, 256, 100_000, 0), 2)\n"
    )
    assert "KeyboardInterrupt" in interrupted(code)
