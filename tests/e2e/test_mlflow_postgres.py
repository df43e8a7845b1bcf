"""A real PostgreSQL: cells replayed twice into a tracking server on it, without duplicates; one driver a study."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import simulated
from simulated_search import another_driver, searches

from orchestration.cell_records import done_cell
from orchestration.cells import CellStore
from orchestration.search_guard import alone
from orchestration.search_study import StudyError
from orchestration.tracking import track

# MLflow's own: pydantic and SQLAlchemy features that are on their way out.
pytestmark = pytest.mark.filterwarnings("ignore")

SUBJECTS, SEEDS = 3, 2
PATIENCE = 120.0
"""Seconds for the server to make its tables."""


def program(name: str) -> str | None:
    """Of PostgreSQL, which Debian keeps off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of its own, on a socket in its own folder and nowhere else."""
    initdb, control = program("initdb"), program("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("PostgreSQL is not installed; .ci/run installs it")
    folder = Path("/tmp") / f"madv-postgres-{os.getpid()}"  # a socket's path may have 107 bytes at most
    folder.mkdir()
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user:
        shutil.chown(folder, user)
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    try:
        run(initdb, "-D", str(data), "-U", "madv", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(control, "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg2://madv@/postgres?host={folder}"
        finally:
            run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`mlflow server` on it; the test waits until it answers."""
    folder = tmp_path_factory.mktemp("server")
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(address):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_cells_are_replayed_into_an_empty_server_twice(server: str, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    plan = simulated.plan(subjects=SUBJECTS, seeds=SEEDS, name="postgres")
    store = CellStore(tmp_path / "store")
    variants = {variant.name: variant for variant in plan.variants}
    for number, planned in enumerate(plan.cells):
        variant = variants[planned.variant]
        clips, fold = simulated.fold(variant.config, planned.subject)
        result = simulated.train(variant.config, fold, clips, planned.seed)
        store.write(done_cell(planned, variant.digest, result, clips.class_names, 1_700_000_000.0 + number))
    client = MlflowClient(server)

    def there() -> dict[str, tuple[str, list[tuple[int, float, int]]]]:
        """Run -> its state and one row a fold."""
        experiment = client.get_experiment_by_name("postgres")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        history = {run.info.run_id: client.get_metric_history(run.info.run_id, "fold_accuracy") for run in runs}
        return {
            run.info.run_id: (
                run.info.status,
                sorted((row.step, row.value, row.timestamp) for row in history[run.info.run_id]),
            )
            for run in runs
        }

    started = time.monotonic()
    track(plan, store, None, server)
    print(f"\n{len(plan.cells) / (time.monotonic() - started):.0f} cells per second into MLflow on PostgreSQL")
    first = there()
    assert len(first) == 1 + len(plan.variants) * SEEDS
    assert {status for status, _ in first.values()} == {"FINISHED"}
    assert sorted(len(rows) for _, rows in first.values()) == [0] + [SUBJECTS] * len(plan.variants) * SEEDS
    track(plan, store, None, server)
    assert there() == first


def test_a_study_on_it_has_one_driver_and_a_killed_one_blocks_nobody(database: str, tmp_path: Path) -> None:
    mine = searches(tmp_path, 4, 6, f"study: mine\n      storage: '{database}'")
    with another_driver(tmp_path, f"study: mine\n      storage: '{database}'") as process:
        with pytest.raises(StudyError, match="another `madv sweep` is at work on the study 'mine'"), alone(mine):
            raise AssertionError("two drivers at once")
        process.kill()
        process.wait()
        deadline = time.monotonic() + PATIENCE
        while True:  # the server notices in its own time
            try:
                with alone(mine):
                    return
            except StudyError:
                assert time.monotonic() < deadline, "the lock outlives its process"
                time.sleep(0.2)
