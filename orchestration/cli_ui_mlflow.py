"""MLflow's own page beside `madv ui`: a child process on a port of its own, or the server that is there already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from orchestration.addresses import without_password
from orchestration.mlflow_views import MATTERS, TAG
from orchestration.tracking import SETTINGS

SQLITE = "sqlite:///"
TRIES = 3
"""A server may stumble over a database whose tables are just being made."""
FAREWELL = 5.0
"""Seconds until a child that was asked to end is killed."""


class MlflowUi:
    """`mlflow server` on this machine, from when there is something to show."""

    name = "MLflow"

    def __init__(self, uri: str, host: str, port: int, experiment: str) -> None:
        self._uri = uri
        self._experiment = experiment
        self._host, self._port = host, port
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the child
        self._tries = 0
        self._linked = False
        self.link: str | None = None
        """Where to look; None until it answers."""
        self.state = "nothing is recorded yet"
        """In words, for as long as there is no link."""
        if uri.startswith(("http://", "https://")):
            self.link, self._linked = without_password(uri), True

    def look(self) -> None:
        """Start it when its store is there; see whether it answers."""
        if self._linked or not self._there():
            return
        if self._process is None and self._tries < TRIES:
            self._start()
        elif self._process is not None and self._process.poll() is not None:
            self.link, self._process = None, None
            self.state = f"ended: {self._last_line()}"
        elif self._process is not None:
            self._ask()

    def close(self) -> None:
        """End it, with the workers that it has started."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._log.close()

    def _there(self) -> bool:
        return not self._uri.startswith(SQLITE) or Path(self._uri.removeprefix(SQLITE)).is_file()

    def _start(self) -> None:
        self._tries += 1
        self.state = "starting"
        command = [sys.executable, "-m", "mlflow", "server", "--host", self._host, "--port", str(self._port)]
        # By the environment: an address may hold a password, and a command line is for all to read.
        named = {**SETTINGS, **os.environ, "MLFLOW_BACKEND_STORE_URI": self._uri}
        named.pop("MLFLOW_TRACKING_URI", None)
        named.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # of language models; seven processes
        self._process = subprocess.Popen(
            [*command, "--workers", "1"],
            env=named,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,  # ended as a whole; a new session would have its own share of the processor
        )

    def _ask(self) -> None:
        """Link the experiment, on the first of its saved views, as soon as they are there."""
        address = f"http://{self._host}:{self._port}"
        query = urllib.parse.urlencode({"experiment_name": self._experiment})
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1):
                self.link = self.link or f"{address}/"
            place = f"{address}/api/2.0/mlflow/experiments/get-by-name?{query}"
            with urllib.request.urlopen(place, timeout=1) as answer:
                experiment = json.load(answer)["experiment"]
        except (urllib.error.URLError, OSError, ValueError, KeyError):
            return  # it is starting, busy, or has no such experiment yet
        runs = f"{address}/#/experiments/{experiment['experiment_id']}/runs?compareRunsMode=CHART"
        self._linked = any(tag["key"] == TAG + MATTERS for tag in experiment.get("tags", []))
        self.link = f"{runs}&viewStateShareKey={MATTERS}" if self._linked else runs

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return without_password(lines[-1].strip()) if lines else "without a word"
