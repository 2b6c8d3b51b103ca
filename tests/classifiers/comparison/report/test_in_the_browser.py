"""The page in Chromium: nothing breaks, nothing leaves it, and everything answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from browser_shared import AXE, chromium, needs_browser, wait_for
from PIL import Image

pytestmark = needs_browser
SECONDS = 30
CENTRE = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
READY = "return document.documentElement.dataset.map === 'ready'"


@pytest.fixture(scope="module")
def driver(made: SimpleNamespace) -> Iterator[Any]:
    with chromium() as driver:
        driver.get(made.page.as_uri())
        wait_for(driver, SECONDS, lambda d: d.execute_script(READY))
        yield driver


def find(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def find_all(driver: Any, selector: str) -> list[Any]:
    found: list[Any] = driver.find_elements("css selector", selector)
    return found


def pixels_of(element: Any) -> np.ndarray:
    image = Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")
    return np.asarray(image).astype(int)


def test_no_error_and_no_request(driver: Any, made: SimpleNamespace) -> None:
    entries = driver.get_log("browser")
    assert not [e for e in entries if e["level"] == "SEVERE"], entries
    events = [json.loads(e["message"])["message"] for e in driver.get_log("performance")]
    urls = {
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    }
    outside = [u for u in urls if not u.startswith(("blob:", "data:", made.page.as_uri()))]
    assert not outside
    assert driver.execute_script("return window.broken") is None


def test_the_leaderboard_sorts_and_filters(driver: Any) -> None:
    def column(number: int) -> list[str]:
        return [c.text for c in find_all(driver, f"#board tbody td:nth-of-type({number})")]

    before = [float(text) for text in column(3)]
    assert before == sorted(before, reverse=True) and len(before) > 3
    button = find_all(driver, "#board th button")[3]
    button.click()
    assert [float(text) for text in column(3)] == sorted(before)
    button.click()
    assert [float(text) for text in column(3)] == before
    find(driver, "#board-filter").send_keys("centroid")
    shown = [row for row in find_all(driver, "#board tbody tr") if row.is_displayed()]
    assert 0 < len(shown) < len(before)
    assert all("centroid" in row.text for row in shown)
    find(driver, "#board-filter").clear()
    driver.execute_script(
        "document.getElementById('board-filter').dispatchEvent(new Event('input'))"
    )
    assert all(row.is_displayed() for row in find_all(driver, "#board tbody tr"))


def test_curves_are_drawn_for_each_class(driver: Any) -> None:
    assert len(find_all(driver, "[data-curve='0'] path.line")) >= 4
    options = find_all(driver, "#curve-class option")
    assert len(options) == 4  # the mean, and three classes
    options[2].click()
    visible = [one for one in find_all(driver, "[data-curve]") if one.is_displayed()]
    assert [one.get_attribute("data-curve") for one in visible] == ["2"]


def test_a_cell_opens_its_images(driver: Any) -> None:
    cell = find(driver, "[data-confusion='0'] button.d")
    driver.execute_script(CENTRE, cell)
    cell.click()
    dialog = find(driver, "#images-dialog")
    assert dialog.is_displayed()
    items = find_all(driver, "#images-list li")
    assert len(items) == int(cell.text)
    thumbnail = find(driver, "#images-list .t")
    wait_for(driver, SECONDS, lambda _: "blob:" in thumbnail.get_attribute("style"))
    assert np.ptp(pixels_of(thumbnail), axis=(0, 1)).max() > 50, "a picture, not a flat colour"
    find(driver, "#images-close").click()
    assert not dialog.is_displayed()


def test_a_point_shows_its_image(driver: Any) -> None:
    from selenium.webdriver import ActionChains

    frame = find(driver, "#map-frame .plot")
    driver.execute_script(CENTRE, frame)
    point = """
        const figure = Bokeh.documents[0].get_model_by_name("map");
        const data = Bokeh.documents[0].get_model_by_name("points").data;
        const view = Bokeh.index.find_one_by_id(figure.id);
        const x = view.frame.x_scale.compute(data.x[0]);
        const y = view.frame.y_scale.compute(data.y[0]);
        const box = view.el.getBoundingClientRect();
        return [box.left + x, box.top + y];
    """
    x, y = wait_for(driver, SECONDS, lambda d: d.execute_script(point))
    actions = ActionChains(driver, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(int(x) - 3, int(y))
    actions.w3c_actions.pointer_action.move_to_location(int(x), int(y))
    actions.perform()
    card = find(driver, "#map-card")
    wait_for(driver, SECONDS, lambda _: card.is_displayed())
    thumbnail = find(driver, "#map-card .t")
    assert "blob:" in thumbnail.get_attribute("style")
    assert thumbnail.get_attribute("aria-label")


def test_search_and_legend_choose_points(driver: Any) -> None:
    find(driver, "#map-search").send_keys("blue")
    status = find(driver, "#map-status")
    wait_for(driver, SECONDS, lambda _: status.text.startswith("33 of 81"))
    find(driver, "#map-search").clear()
    find(driver, "#map-search").send_keys(" ")
    wait_for(driver, SECONDS, lambda _: not status.text)
    chip = find(driver, "#map-legend button")
    chip.click()
    assert chip.get_attribute("aria-pressed") == "true" and "of 81" in status.text
    chip.click()
    find_all(driver, "#map-colour option")[2].click()
    assert [c.text for c in find_all(driver, "#map-legend button")][-1] == "not judged"


def test_a_list_is_saved_as_csv(driver: Any, made: SimpleNamespace) -> None:
    saved = """
        const click = HTMLAnchorElement.prototype.click, made = URL.createObjectURL;
        let blob;
        URL.createObjectURL = (one) => { blob = one; return made.call(URL, one); };
        HTMLAnchorElement.prototype.click = function () {};
        document.querySelector("[data-csv='mistakes']").click();
        HTMLAnchorElement.prototype.click = click; URL.createObjectURL = made;
        return blob.text();
    """
    lines = driver.execute_script(saved).removeprefix("\ufeff").split("\r\n")
    assert lines[0] == "id,label,predicted,probability,probability_of_label"
    assert len(lines) == len(made.data["csv"]["mistakes"]) + 1


@pytest.mark.skipif(
    not AXE.exists(), reason=f"needs axe-core: npm install --prefix {AXE.parents[2]} axe-core"
)
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_no_serious_fault(driver: Any, theme: str, width: int) -> None:
    driver.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
    driver.set_window_size(width, 1000)
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    found = driver.execute_async_script(
        "const done = arguments[0]; axe.run().then((found) => done(found.violations))"
    )
    driver.set_window_size(1280, 1000)
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious


def test_a_phone_scrolls_down_only(made: SimpleNamespace) -> None:
    with chromium(390, 844) as driver:
        size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(made.page.as_uri())
        wait_for(driver, SECONDS, lambda d: d.execute_script(READY))
        assert driver.execute_script("return document.documentElement.scrollWidth") == 390
