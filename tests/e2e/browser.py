"""Debian's Chromium without a window, for tests of pages."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,1000")
PATIENCE = 60.0
"""Seconds that a page may take on a busy machine."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A driver that logs the console and every request."""
    if shutil.which("chromedriver") is None or shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed; .ci/run installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of selenium's own packages
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        for option in OPTIONS:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            driver.set_page_load_timeout(PATIENCE)
            yield driver
        finally:
            driver.quit()


def requests(driver: Any) -> list[str]:
    """Addresses that were asked for since the last call; data: and blob: are in the page itself."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [address for address in asked if not address.startswith(("data:", "blob:"))]


def errors(driver: Any) -> list[str]:
    """What the console has complained of since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def wait_for(driver: Any, script: str, *arguments: Any) -> Any:
    """Until a script returns something true; what it returns."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, PATIENCE).until(lambda one: one.execute_script(f"return {script}", *arguments), script)
