"""A real TensorBoard serves and shows what was written."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from browser_shared import chromium, needs_browser, wait_for
from PIL import Image

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason="needs TensorBoard: pip install 'featx[projector]'",
)
pytestmark = needs_tensorboard
SECONDS = 60


@pytest.fixture(scope="module")
def url(log: SimpleNamespace) -> Iterator[str]:
    """TensorBoard's address; it stops when the tests end."""
    code = "import tensorboard.main; tensorboard.main.run_main()"
    command = [sys.executable, "-W", "ignore", "-c", code, "--logdir", str(log.logdir)]
    with subprocess.Popen(
        [*command, "--port", "0", "--load_fast", "false"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            found = next(filter(None, (re.search(r"http://[^ ]*", line) for line in lines)))
            yield found[0].rstrip("/")
        finally:
            process.kill()


def fetch(url: str, what: str, name: str = "") -> bytes:
    """Return what the plugin's HTTP interface answers."""
    address = f"{url}/data/plugin/projector/{what}?run=.&name={quote(name)}"
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:
        body: bytes = answer.read()
        return body


def test_the_http_interface_gives_back_every_byte(log: SimpleNamespace, url: str) -> None:
    from featx.cache import FeatureStore

    store = FeatureStore(log.root / "cache")
    assert json.loads(fetch(url, "runs")) == ["."]
    shown = {e["tensorName"]: e for e in json.loads(fetch(url, "info"))["embeddings"]}
    assert list(shown) == [one["name"] for one in log.report["projected"]]
    for one in log.report["projected"]:
        entry, features = shown[one["name"]], store.open_features(one["features"])
        assert entry["tensorShape"] == [24, one["n_features"]] == [*features.X.shape]
        tensors = np.frombuffer(fetch(url, "tensor", one["name"]), "<f4")
        assert np.array_equal(tensors.reshape(features.X.shape), features.X[:])
        metadata = fetch(url, "metadata", one["name"])
        assert metadata == (log.logdir / entry["metadataPath"]).read_bytes()
        assert metadata.count(b"\n") == 25
        sprite = fetch(url, "sprite_image", one["name"])
        assert sprite == (log.logdir / entry["sprite"]["imagePath"]).read_bytes()
        assert entry["sprite"]["singleImageDim"] == [24, 24]


@needs_browser
def test_the_projector_shows_points_and_thumbnails(log: SimpleNamespace, url: str) -> None:
    with chromium() as driver:
        driver.get(f"{url}/#projector")
        for _ in range(2):  # TensorBoard's frame, and the one that the plugin makes in it
            wait_for(driver, SECONDS, has("iframe"))
            driver.switch_to.frame(driver.find_element("css selector", "iframe"))
        wait_for(driver, SECONDS, lambda d: re.search(r"Points:\s*24\b", d.execute_script(TEXT)))
        driver.switch_to.default_content()
        wait_for(driver, SECONDS, shows_every_class)
        errors = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
        assert not [e for e in errors if "projector" in e["message"]], errors


def has(selector: str) -> Callable[[Any], bool]:
    return lambda driver: bool(driver.find_elements("css selector", selector))


def shows_every_class(driver: Any) -> bool:
    """Tell whether the colours of the three classes' pictures are on the screen."""
    screen = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    small = np.asarray(screen.resize((screen.width // 4, screen.height // 4), 4)).astype(int)
    colours = [(200, 50, 40), (40, 180, 60), (40, 60, 200)]
    return all((np.abs(small - colour).max(axis=2) < 40).sum() > 3 for colour in colours)


TEXT = """
    const texts = [];
    const walk = (root) => root.querySelectorAll("*").forEach((element) => {
        if (element.shadowRoot) walk(element.shadowRoot);
        else if (/Points/.test(element.textContent)) texts.push(element.textContent);
    });
    walk(document);
    return texts.join(" ");
"""
