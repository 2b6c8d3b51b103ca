"""A headless Chromium that tests drive, and what they need of this machine."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AXE = Path(sys.prefix) / "axe" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-color-profile=srgb",
)


def missing() -> str:
    """Say what a test in the browser lacks; empty where it can run."""
    programs = {"chromium": "chromium", "chromedriver": "chromium-driver"}
    packages = [package for name, package in programs.items() if not shutil.which(name)]
    if packages:
        return f"needs a browser: apt-get install {' '.join(packages)}"
    if importlib.util.find_spec("selenium") is None:
        return "needs Selenium: pip install '.[test]'"
    return ""


needs_browser = pytest.mark.skipif(bool(missing()), reason=missing() or "never")


@contextmanager
def chromium(width: int = 1280, height: int = 1000, *flags: str) -> Iterator[Any]:
    """Start Chromium, and end it; its console and its requests are logged."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--window-size={width},{height}", *flags):
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(str(shutil.which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver: Any, seconds: float, condition: Callable[[Any], Any]) -> Any:
    """Return what ``condition`` returns as soon as it is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds, poll_frequency=0.05).until(condition)
