"""The pages in a real browser: the report from disk, `madv ui`, and MLflow's comparison of a finished sweep."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser import PATIENCE, chromium, errors, requests, wait_for
from test_demo import SMALL, madv

ROOT = Path(__file__).parents[2]
# selenium leaves sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

HOSTILE = "<img src=x onerror=hacked=1>$x$ =1+1"
LEVEL = "<script>hacked()</script>$x$"
"""A level's name is one word."""
SWEEP = f"""
cluster_name: seen
provider: {{type: local, head_ip: 127.0.0.1, worker_ips: []}}
metadata:
  sweep:
    question: 'Does depth help? {HOSTILE}'
    base: [dataset=synthetic, model=madv_tiny, train=demo]
    design: factorial
    factors:
      depth: {{on: [], '{LEVEL}': [model.streams.depth=false]}}
    seeds: 1
"""
VARIANT = f"depth={LEVEL}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveUi:
    """A running `madv ui`."""

    process: subprocess.Popen[str]
    page: str
    mlflow: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a small sweep has ended."""
    where = tmp_path_factory.mktemp("seen")
    (where / "seen.yaml").write_text(SWEEP)
    done = madv(where, "sweep", "seen.yaml", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    return where


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[LiveUi]:
    """`madv ui` while one of eight cells is away."""
    cell = min((folder / "store" / "cells").glob("*.parquet"))
    cell.rename(folder / cell.name)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "orchestration.cli", "ui", "seen.yaml", *SMALL, "--port", "0"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        addresses = [re.search(r"http://\S+", line) for line in lines]
        assert all(addresses), lines
        page, mlflow = (found.group() for found in addresses if found)
        yield LiveUi(process=process, page=page, mlflow=mlflow)
    finally:
        process.terminate()  # its children end with it
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def test_the_report_opens_from_disk_and_is_used(folder: Path, driver: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    driver.get((folder / "reports" / "seen" / "index.html").as_uri())
    requests(driver), errors(driver)
    driver.refresh()
    wait_for(driver, "document.querySelectorAll('#plot-scores .point').length >= 2")
    paint = driver.execute_script("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"\nfirst paint after {paint:.0f} ms")

    def column(number: int) -> list[str]:
        cells = driver.find_elements("css selector", f"#ranked tbody tr :nth-child({number})")
        return [cell.get_attribute("data-sort") for cell in cells if cell.get_attribute("data-sort") is not None]

    assert column(1) == ["1", "2"]
    assert set(column(2)) == {"reference", VARIANT}
    rank = driver.find_element("css selector", "#ranked thead th button")
    rank.click()
    assert column(1) == ["2", "1"]
    rank.click()
    assert column(1) == ["1", "2"]

    filtering = driver.find_element("id", "filter")
    filtering.send_keys("hacked")
    shown = [row for row in driver.find_elements("css selector", "#ranked tbody tr") if row.is_displayed()]
    assert len(shown) == 1 and VARIANT in shown[0].text
    filtering.clear()
    filtering.send_keys(" ")
    assert all(row.is_displayed() for row in driver.find_elements("css selector", "#ranked tbody tr"))

    points = driver.find_elements("css selector", "#plot-scores .trace:not(:first-child) .point")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", points[0])
    ActionChains(driver).move_to_element(points[-1]).perform()
    said = wait_for(driver, "document.querySelector('#plot-scores .hoverlayer .hovertext')?.textContent")
    assert "[" in said  # the interval

    assert driver.find_element("tag name", "h1").text.endswith(HOSTILE)
    assert driver.execute_script("return window.hacked") is None
    assert not driver.find_elements("css selector", "body img")
    assert errors(driver) == []
    assert requests(driver) == [(folder / "reports" / "seen" / "index.html").as_uri()]


FAINT = r"""
const channels = color => color.match(/[\d.]+/g).map(Number);
const paper = one => {  // what is see-through lies upon what is behind it
  if (!one) return [255, 255, 255];
  const [red, green, blue, share = 1] = channels(getComputedStyle(one).backgroundColor);
  const behind = share == 1 ? [0, 0, 0] : paper(one.parentElement);
  return [red, green, blue].map((value, place) => share * value + (1 - share) * behind[place]);
};
const luminance = color => {
  const [r, g, b] = color.slice(0, 3).map(value => value / 255)
    .map(value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const faint = [];
for (const one of document.querySelectorAll('body *')) {
  const said = [...one.childNodes].some(node => node.nodeType == Node.TEXT_NODE && node.textContent.trim());
  if (!said || !one.checkVisibility() || one.matches('script, style, option')) continue;
  const style = getComputedStyle(one), ink = channels(one.closest('svg') ? style.fill : style.color);
  const both = [ink, paper(one)].map(luminance);
  const contrast = (Math.max(...both) + .05) / (Math.min(...both) + .05);
  if (contrast < arguments[0]) faint.push(`${contrast.toFixed(1)}: ${one.textContent.slice(0, 40)}`);
}
return faint;
"""
"""Texts whose contrast to what is behind them is less."""
LEAST = 4.5
"""Contrast of text, by WCAG 2.2 (1.4.3)."""


@pytest.fixture
def emulated(driver: Any) -> Iterator[Any]:
    """The driver, which shows things as ever afterwards."""
    yield driver
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_text_is_faint_by_day_or_night(folder: Path, emulated: Any, scheme: str) -> None:
    scheme_of = {"name": "prefers-color-scheme", "value": scheme}
    emulated.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme_of]})
    emulated.get((folder / "reports" / "seen" / "index.html").as_uri())
    wait_for(emulated, "document.querySelectorAll('#plot-scores .point').length >= 2")
    paper = emulated.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")
    assert emulated.execute_script(FAINT, LEAST) == []


def test_a_phone_shows_it_without_moving_sideways(folder: Path, emulated: Any) -> None:
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 3, "mobile": True}
    emulated.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    emulated.get((folder / "reports" / "seen" / "index.html").as_uri())
    wait_for(emulated, "document.querySelectorAll('#plot-scores .point').length >= 2")
    assert emulated.execute_script("return document.documentElement.scrollWidth") <= 360
    texts = emulated.find_elements("css selector", "p, td, th, li, figcaption")
    assert len(texts) > 50
    sizes = "return arguments[0].map(one => parseFloat(getComputedStyle(one).fontSize))"
    assert min(emulated.execute_script(sizes, texts)) >= 11
    for plot in emulated.find_elements("css selector", ".js-plotly-plot"):
        assert plot.rect["width"] <= 360


def test_on_paper_it_is_black_on_white_even_at_night(folder: Path, emulated: Any) -> None:
    night = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    emulated.execute_cdp_cmd("Emulation.setEmulatedMedia", night)
    emulated.get((folder / "reports" / "seen" / "index.html").as_uri())
    wait_for(emulated, "document.querySelectorAll('#plot-scores .point').length >= 2")
    assert emulated.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert emulated.execute_script(FAINT, LEAST) == []
    controls = emulated.find_elements("css selector", "nav, .tools")
    assert controls and not any(one.is_displayed() for one in controls)
    printed = emulated.execute_cdp_cmd("Page.printToPDF", {"printBackground": False, "paperWidth": 8.27})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF-")


def test_the_live_page_follows_the_cells(folder: Path, live: LiveUi, driver: Any) -> None:
    driver.get(live.page)
    errors(driver)
    far = "document.getElementById('far').textContent"
    wait_for(driver, f"{far} === '7 of 8 cells done, 0 failed partial'")
    report = "document.getElementById('report').contentDocument"
    assert "Partial result." in wait_for(driver, f"{report}?.getElementById('partial')?.textContent")
    [away] = folder.glob("*.parquet")
    away.rename(folder / "store" / "cells" / away.name)
    wait_for(driver, f"{far} === '8 of 8 cells done, 0 failed '")
    wait_for(driver, f"{report}.querySelector('h1') && !{report}.getElementById('partial')")
    assert HOSTILE in driver.execute_script(f"return {report}.querySelector('h1').textContent")
    assert live.mlflow in [link.get_attribute("href") for link in driver.find_elements("css selector", "#links a")]
    assert errors(driver) == []


def test_mlflow_has_the_comparison_one_click_away(live: LiveUi, driver: Any) -> None:
    driver.get(live.mlflow)
    text = "document.body.innerText"
    wait_for(driver, f"{text}.includes('Which component matters most?') && {text}.includes('Parallel Coordinates')")
    wait_for(driver, "document.querySelectorAll('.parcoords, .js-plotly-plot').length >= 2")
    shown = driver.execute_script(f"return {text}")
    assert "reference seed 0" in shown and f"{VARIANT} seed 0" in shown
    assert "2 matching runs" in shown
    assert driver.execute_script("return window.hacked") is None
    # From there to the parent, whose description has the verdict and the other questions.
    experiment, home = re.search(r"experiments/(\d+)", live.mlflow), live.mlflow.partition("#")[0]
    assert experiment is not None
    parent = _parent(home, experiment.group(1))
    driver.get(f"{home}#/experiments/{experiment.group(1)}/runs/{parent}")
    wait_for(driver, f"{text}.includes('Description') && {text}.includes('comes first with UF1')")
    assert HOSTILE in driver.execute_script(f"return {text}")
    asked = [link.text for link in driver.find_elements("css selector", "a[href*=viewStateShareKey]")]
    assert asked == ["Which component matters most?", "Is it noise?", "What did it cost?"]
    assert driver.execute_script("return window.hacked") is None


def _parent(home: str, experiment: str) -> str:
    import json
    import urllib.request

    body = json.dumps({"experiment_ids": [experiment], "filter": "params.design = 'factorial'"}).encode()
    request = urllib.request.Request(
        f"{home}api/2.0/mlflow/runs/search", body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        [run] = json.load(answer)["runs"]
    return str(run["info"]["run_id"])


def test_ports_that_are_taken_and_a_store_that_is_not_there_are_sentences(
    folder: Path, live: LiveUi, tmp_path: Path
) -> None:
    taken = int(live.page.rstrip("/").rpartition(":")[2])
    again = madv(folder, "ui", "seen.yaml", *SMALL, "--port", str(taken))
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith(f"madv: port {taken}: Address already in use; name others with --port")
    (tmp_path / "seen.yaml").write_text(SWEEP)
    absent = madv(tmp_path, "ui", "seen.yaml", *SMALL)
    assert (absent.returncode, absent.stdout) == (2, "")
    assert absent.stderr.startswith("madv: store/cells: there are no cells yet")
    assert "Traceback" not in again.stderr + absent.stderr


def test_ctrl_c_ends_all_of_it(live: LiveUi) -> None:
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(60) == 0
    for address in (live.page, live.mlflow):
        port = int(re.search(r":(\d+)/", address).group(1))  # type: ignore[union-attr]
        deadline = time.monotonic() + 10
        while _answers(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _answers(port)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0
