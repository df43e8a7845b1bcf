"""The address of `madv ui` and what is beside it, in this process."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import simulated_search

from madv.errors import MadvError
from orchestration.cells import CellStore
from orchestration.cli_ui import HOST, _ports
from orchestration.cli_ui_mlflow import MlflowUi
from orchestration.cli_ui_optuna import OptunaUi
from orchestration.cli_ui_server import Live, serve
from orchestration.search_study import open_study

HOSTILE = "</title><img src=x onerror=alert(1)>"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Live, int]]:
    """A report's folder beside a secret, served."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "index.html").write_text("<p>the report")
    (tmp_path / "secret").write_text("secret")
    [port] = _ports(0, 1)
    one = Live("small", HOSTILE, folder)
    with serve(one, HOST, port):
        yield one, port


def get(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    """The answer to a path as it is typed."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host or f"{HOST}:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_report_is_served_and_nothing_beside_it(live: tuple[Live, int]) -> None:
    _, port = live
    assert get(port, "/report/index.html?version=1") == (200, b"<p>the report")
    for path in ("/report/../secret", "/report/%2e%2e/secret", "/report/..%2fsecret", "/secret", "/report/"):
        assert get(port, path)[0] == 404
    assert get(port, "/", host="elsewhere.example:80")[0] == 403
    assert get(port, "/", host=f"localhost:{port}")[0] == 200


def test_the_page_shows_texts_as_texts(live: tuple[Live, int]) -> None:
    content = get(live[1], "/")[1].decode()
    assert "<img" not in content
    assert "&lt;img" in content


def test_the_state_is_what_is_known_so_far(live: tuple[Live, int]) -> None:
    one, port = live
    assert json.loads(get(port, "/state.json")[1]) == {"version": 0, "reasons": [], "problem": None, "links": {}}
    one.made()
    one.counts = {"noun": "cells", "planned": 3, "done": 1, "failed": 1}
    one.reasons = [(HOSTILE, 1)]
    state = json.loads(get(port, "/state.json")[1])
    assert (state["version"], state["done"], state["reasons"]) == (1, 1, [[HOSTILE, 1]])


def test_ports_that_are_taken_are_all_named() -> None:
    with socket.socket() as one:
        one.bind((HOST, 0))
        one.listen()
        port = one.getsockname()[1]
        with pytest.raises(MadvError, match=f"port {port}: Address already in use; name others with --port"):
            _ports(port, 1)
    assert len(set(_ports(0, 3))) == 3


def test_a_server_that_is_there_is_linked_and_a_database_that_is_not_is_waited_for(tmp_path: Path) -> None:
    server = MlflowUi("https://tracking.example", HOST, 1, "small")
    server.look()
    assert server.link == "https://tracking.example"
    server.close()
    absent = MlflowUi(f"sqlite:///{tmp_path}/mlflow.db", HOST, 1, "small")
    absent.look()
    assert (absent.link, absent.state) == (None, "nothing is recorded yet")
    absent.close()


@pytest.mark.filterwarnings("ignore")  # of Optuna's dashboard and of the library below it
def test_optunas_dashboard_shows_the_study_as_soon_as_there_is_one(tmp_path: Path) -> None:
    [search] = simulated_search.searches(tmp_path, trials=3)
    [port] = _ports(0, 1)
    dashboard = OptunaUi(search, HOST, port)
    try:
        dashboard.look()
        assert dashboard.link is None
        study = open_study(search)
        simulated_search.drive(search, study, CellStore(tmp_path / "store"), 3)
        dashboard.look()
        assert dashboard.link == f"http://{HOST}:{port}/dashboard/"
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/studies", timeout=10) as answer:
            [known] = json.load(answer)["study_summaries"]
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/studies/{known['study_id']}", timeout=10) as answer:
            trials = json.load(answer)["trials"]
        assert (known["study_name"], len(trials)) == (search.study, 3)
    finally:
        dashboard.close()
