"""MLflow beside the training: one background thread, fed through a bounded queue, that no failure gets out of."""

from __future__ import annotations

import logging
import os
import queue
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.addresses import without_password
from orchestration.journal import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.cells import CellStore
    from orchestration.mlflow_record import Recorder
    from orchestration.mlflow_search import SearchRecorder, Tried
    from orchestration.plan import Plan, PlannedCell, Variant

DEFAULT_URI = "sqlite:///mlflow.db"
QUEUE = 10_000
"""Cells that may wait; those beyond are logged at the end."""
PAUSES = (0.5, 2.0)
"""Seconds before each further try."""
BATCH_SECONDS = 1.0
"""Cells that end within this time are logged together."""
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment of MLflow, read when it is imported; what the user has set stays."""


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file in the current folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def track(plan: Plan | Tried, store: CellStore, report: Path | None, uri: str | None = None) -> None:
    """Log all cells that are in the store, again or for the first time; twice leaves no duplicates.

    Raises:
        Exception: whatever MLflow raises.
    """
    recorder = _open(plan, store, uri or tracking_uri())
    recorder.catch_up(again=True)
    recorder.close(report)


class Tracker:
    """Logs cells as they end. Cells are the truth, so nothing here may stop or delay training."""

    def __init__(self, plan: Plan | Tried, store: CellStore, uri: str | None = None) -> None:
        self._plan = plan
        self._expected: list[tuple[Variant, Sequence[PlannedCell], bool]] = []
        self._end: Tried | None = None
        self._store = store
        self._uri = uri or tracking_uri()
        self._shown = without_password(self._uri)
        self._queue: queue.Queue[str] = queue.Queue(QUEUE)
        self._stopping = threading.Event()
        self._report: Path | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def start(self) -> None:
        """Import MLflow, which takes seconds, and log what is there already. Called by the first put at the latest."""
        if self._thread.ident is None:
            self._thread.start()

    def expect(self, variant: Variant, cells: Sequence[PlannedCell], *, short: bool = False) -> None:
        """A search is about to train a configuration, or has cut it short, after these cells."""
        self._expected.append((variant, cells, short))

    def put(self, key: str) -> None:
        """A cell has ended; returns at once."""
        self.start()
        try:
            self._queue.put_nowait(key)
        except queue.Full:
            return  # found in the store at the end

    def finish(self, report: Path | None, timeout: float, end: Tried | None = None) -> str | None:
        """Log what is left, end the runs, and say what went wrong, if anything.

        Args:
            report: folder of the report; None if the sweep was interrupted.
            timeout: seconds to wait for it.
            end: of a search that has ended, all that it has tried.
        """
        self._report, self._end = report, end
        self._stopping.set()
        if self._thread.ident is None:
            return None
        self._thread.join(timeout)
        if self._thread.is_alive():
            return f"{self._shown} is too slow"
        return self._problem

    def _work(self) -> None:
        for pause in (*PAUSES, None):
            try:
                self._record(_open(self._plan, self._store, self._uri))
                self._problem = None
                return
            except Exception as error:
                # MLflow raises its own errors, those of SQLAlchemy, of requests and of the file system; none may
                # reach training, and all end in the one line that finish returns.
                text = without_password(str(error).strip())
                self._problem = f"{type(error).__name__}: {text.splitlines()[0] if text else self._shown}"
                note("tracking failed", error=self._problem)
            if pause is not None:
                self._stopping.wait(pause)

    def _record(self, recorder: Recorder) -> None:
        """Until the sweep ends. A recorder that was opened again logs everything once more, which changes nothing."""
        from orchestration.mlflow_search import SearchRecorder

        search = recorder if isinstance(recorder, SearchRecorder) else None
        heard = self._hear(search, 0)
        if not recorder.finished():
            recorder.catch_up()
        while not self._stopping.wait(BATCH_SECONDS):
            keys = []
            while not self._queue.empty():
                keys.append(self._queue.get_nowait())
            heard = self._hear(search, heard)  # after the keys: a configuration is expected before its cells end
            recorder.log(keys)
        if search is not None and self._end is not None:
            search.settle(self._end)
        else:
            self._hear(search, heard)
        if not recorder.finished():
            recorder.catch_up()
            recorder.close(self._report)

    def _hear(self, search: SearchRecorder | None, heard: int) -> int:
        """Pass on what is expected beyond what was heard; how much that is by now."""
        news = self._expected[heard:] if search is not None else []
        for variant, cells, short in news:
            assert search is not None
            search.expect(variant, cells, short=short)
        return heard + len(news)


def _open(plan: Plan | Tried, store: CellStore, uri: str) -> Recorder:
    """Import MLflow quietly and find the sweep's runs."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="(mlflow|sqlalchemy|alembic|pydantic)")
    from orchestration.mlflow_file import make_whole
    from orchestration.mlflow_record import Recorder
    from orchestration.mlflow_search import SearchRecorder, Tried

    make_whole(uri)
    return SearchRecorder(plan, store, uri) if isinstance(plan, Tried) else Recorder(plan, store, uri)
