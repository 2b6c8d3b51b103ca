"""The page of similar images shows pictures or says why not, and runs nothing."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from browser_shared import AXE, chromium, needs_browser
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)> \"'& \u202e.png"


@pytest.fixture
def photos(photos: Path) -> Path:
    (photos / "red" / "03.png").rename(photos / "red" / HOSTILE)
    return photos


@pytest.fixture
def extracted(cli, photos):
    assert cli("extract", photos, "--backbone", "pixels").exit_code == 0
    return photos


def pictures_of(text: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/webp;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_the_page_shows_the_image_and_its_neighbours(cli, extracted):
    image = extracted / "red" / HOSTILE
    result = cli("similar", image, "--top", "5", "--html", "page.html")
    assert result.exit_code == 0 and "Page: page.html" in result.stdout
    text = Path("page.html").read_text("utf-8")
    pictures = pictures_of(text)
    assert len(pictures) == 6
    np.testing.assert_array_equal(pictures[0], pictures[1], "an image finds itself")
    assert pictures[0].shape == (48, 48, 3), "as large as the images are"
    assert "<img src=x" not in text and "&lt;img src=x onerror" in text
    assert "\u202e" not in text and "\\u202e" in text
    assert "cosine 1.0000" in text and "5 of 5 have the label red" in text


def test_an_id_has_its_label_and_is_not_its_own_neighbour(cli, extracted):
    assert cli("similar", "red/00.png", "--top", "3", "--html", "page.html").exit_code == 0
    text = Path("page.html").read_text("utf-8")
    assert len(pictures_of(text)) == 4 and text.count("red/00.png") > 1
    assert "label <bdi>red</bdi>" in text and '<p class="right">' in text


def test_pictures_that_are_gone_are_told(cli, extracted):
    (extracted / "red" / "01.jpg").unlink()
    Image.new("RGB", (8, 8)).save(extracted / "red" / "02.bmp")
    result = cli("similar", "red/00.png", "--top", "23", "--html", "page.html")
    assert "2 of 24 images cannot be shown" in result.stdout
    text = Path("page.html").read_text("utf-8")
    assert "No picture: no longer in" in text and "changed since its features were made" in text
    shutil.move(extracted, "elsewhere")
    result = cli("similar", "red/00.png", "--top", "3", "--html", "page.html")
    assert result.exit_code == 0 and "Name them with --source" in result.stdout
    assert not pictures_of(Path("page.html").read_text("utf-8"))
    words = ("similar", "red/00.png", "--html", "page.html", "--source")
    assert cli(*words, "elsewhere").exit_code == 0
    assert len(pictures_of(Path("page.html").read_text("utf-8"))) == 19
    assert cli(*words, "nowhere").exit_code == 1


def test_a_file_of_the_user_stays(cli, extracted):
    Path("mine.html").write_text("mine")
    refused = cli("similar", "red/00.png", "--html", "mine.html")
    assert refused.exit_code == 1 and "add --overwrite" in refused.stderr
    assert Path("mine.html").read_text() == "mine"
    assert cli("similar", "red/00.png", "--html", "mine.html", "--overwrite").exit_code == 0
    assert cli("similar", "red/00.png", "--html", "mine.html").exit_code == 0


@needs_browser
def test_the_page_in_a_browser(cli, extracted):
    assert cli("similar", extracted / "red" / HOSTILE, "--html", "page.html").exit_code == 0
    with chromium() as driver:
        for scheme, width in (("light", 1280), ("dark", 390)):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(Path("page.html").absolute().as_uri())
            assert not driver.get_log("browser")
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            images = "return [...document.images].every((i) => i.naturalWidth > 0)"
            assert driver.execute_script(images)
            if AXE.exists():
                driver.execute_script(AXE.read_text(encoding="utf-8"))
                run = "axe.run().then((found) => arguments[0](found.violations))"
                faults = driver.execute_async_script(run)
                assert [f["id"] for f in faults if f["impact"] in ("serious", "critical")] == []
