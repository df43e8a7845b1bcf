"""Nights of simulated cells: what a night says, with which exit code, and what it leaves for the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import simulated
from webhook_server import webhook_server

from madv.errors import ClusterError
from orchestration import cli_nightly, nightly_file, nightly_process
from orchestration.cell_records import done_cell, failed_cell
from orchestration.cells import Cell, CellStore
from orchestration.cli import main
from orchestration.plan import Plan
from orchestration.prepared import Prepared
from orchestration.weights import WeightStore

Night = Callable[..., int]
Change = Callable[[Cell], Cell]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Runs a night over twelve subjects: other epochs make other cells, which `change` may alter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MADV_NOTIFY_URL", raising=False)
    Path("nightly.yaml").write_text("{cluster_name: night, metadata: {nightly: {sweeps: [sim.yaml]}}}")
    monkeypatch.setattr("orchestration.growth_file.growth_points", lambda *_: ())

    def run(epochs: int, change: Change = lambda cell: cell) -> int:
        plan = simulated.plan(subjects=12, epochs=epochs, name="sim")
        store = CellStore("store")
        ready = Prepared(plan=plan, store=store, weights=WeightStore("store"), cache_root=tmp_path / "clips")
        monkeypatch.setattr("madv.data.cache.load", simulated.load)
        monkeypatch.setattr("madv.data.cache.describe", lambda *_: plan.facts)
        monkeypatch.setattr(nightly_file, "prepare", lambda *_: ready)
        monkeypatch.setattr(nightly_process, "sweep_apart", lambda _: fill(plan, store, change))
        return main(["nightly", "nightly.yaml"])

    return run


def fill(plan: Plan, store: CellStore, change: Change) -> tuple[int, str]:
    """Train what is missing here and now; a sweep that cannot run says why."""
    try:
        _fill(plan, store, change)
    except ClusterError as error:
        return 2, str(error)
    return 0, ""


def _fill(plan: Plan, store: CellStore, change: Change) -> None:
    there = store.states()
    for planned in plan.cells:
        if planned.key not in there:
            variant = next(one for one in plan.variants if one.name == planned.variant)
            clips, fold = simulated.fold(variant.config, planned.subject)
            result = simulated.train(variant.config, fold, clips, planned.seed)
            store.write(change(done_cell(planned, variant.digest, result, clips.class_names, 1.0)))


def report() -> str:
    return Path("reports/night/difference.md").read_text()


def worse(cell: Cell) -> Cell:
    return replace(cell, y_pred=np.zeros_like(cell.y_pred))


def slower(cell: Cell) -> Cell:
    """One subject takes no longer, so that there is something to be unsure of."""
    return cell if cell.subject == "s01" else replace(cell, seconds=3 * cell.seconds)


def test_nights(night: Night) -> None:
    assert night(2) == cli_nightly.SAME
    assert "First night" in report()
    assert night(2) == cli_nightly.SAME
    assert "Nothing moved" in report() and "4 variants are the same cells" in report()
    # Trained anew, with the same predictions in the same time: a difference of 0.
    assert night(3) == cli_nightly.SAME
    assert "48 cells trained anew" in report() and "+0.000 [+0.000, +0.000]" in report()
    assert night(4, worse) == cli_nightly.MOVED
    assert "4 scores moved" in report() and report().count("| worse |") == 4
    # F1 of the classes: 2/3, 1, 0 with the last clip wrong; 1/2, 0, 0 with everything called the first.
    assert f"| 0.556 | 0.167 | {1 / 6 - 5 / 9:+.3f} [" in report()
    assert night(5, lambda cell: slower(worse(cell))) == cli_nightly.MOVED
    assert "0 scores moved beyond noise, 4 variants got slower" in report()
    # 3^(11/12): the geometric mean over subjects.
    assert f"x {3 ** (11 / 12):.2f} [" in report()


def test_what_fails_is_new_once_and_breaks_every_night(night: Night) -> None:
    def broken(cell: Cell) -> Cell:
        if cell.subject != "s02":
            return cell
        planned = SimpleNamespace(key=cell.key, seed=cell.seed, subject=cell.subject)
        return failed_cell(planned, cell.variant, "ArithmeticError: nan", 1.0)  # type: ignore[arg-type]

    assert night(2) == cli_nightly.SAME
    assert night(3, broken) == cli_nightly.BROKE
    assert "4 folds newly fail" in report() and "newly fails at s02 (seed 0)" in report()
    assert night(3) == cli_nightly.BROKE
    assert "0 folds newly fail; 4 still fail" in report()


def test_a_sweep_that_cannot_run_keeps_its_last_night(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    assert night(2) == cli_nightly.SAME
    before = Path("reports/night/record.json").read_text()
    monkeypatch.setattr(simulated, "fold", lambda *_: (_ for _ in ()).throw(ClusterError("Ray did not start")))
    assert night(3) == cli_nightly.BROKE
    assert "sim stopped: Ray did not start" in report()
    assert Path("reports/night/record.json").read_text() == before


def test_a_webhook_hears_of_a_night_that_moved_or_broke_and_of_no_other(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook_server("s3cr3t") as hook:
        Path("nightly.yaml").write_text(
            f"{{cluster_name: night, metadata: {{nightly: {{sweeps: [sim.yaml], notify: {{url: '{hook.url}'}}}}}}}}"
        )
        assert night(2) == night(2) == cli_nightly.SAME
        assert hook.bodies == []
        assert night(3, worse) == cli_nightly.MOVED
        ((_, _, body),) = hook.bodies
        assert (body["event"], body["exit_code"], body["nightly"]) == ("moved", 3, "night")
        assert body["verdict"] in report() and "moved beyond noise" in body["verdict"]
        assert (body["report"], body["problems"]) == ("reports/night/difference.md", [])
        hook.answer = 500
        capsys.readouterr()
        assert night(4, worse) in (cli_nightly.SAME, cli_nightly.MOVED)
        assert "s3cr3t" not in capsys.readouterr().err


def test_last_nights_cells_are_referred_to(night: Night) -> None:
    assert night(2) == cli_nightly.SAME
    keys = json.loads(Path("reports/night/cells.json").read_text())["keys"]
    assert set(CellStore("store").states()) == set(keys)


def test_all_that_is_wrong_with_a_nightly_file_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nightly.yaml"
    file.write_text("""
cluster_name: night
metadata:
  nightly:
    sweeps: [{flie: a.yaml}, 3]
    slower: 0.5
    alhpa: 0.1
""")
    assert main(["nightly", str(file)]) == 2
    said = capsys.readouterr().err
    for part in ("sweeps[0]", "sweeps[1]", "above 1", "did you mean 'alpha'"):
        assert part in said


def test_sweeps_that_do_not_hold_are_named_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "nightly.yaml"
    with webhook_server("s3cr3t") as hook:
        settings = f"{{sweeps: [one.yaml, two.yaml], notify: {{url: '{hook.url}'}}}}"
        file.write_text(f"{{cluster_name: night, metadata: {{nightly: {settings}}}}}")
        assert main(["nightly", str(file)]) == 2
        ((_, _, body),) = hook.bodies
        assert body["event"] == "broke" and len(body["problems"]) == 2
    said = capsys.readouterr().err
    assert "one.yaml" in said and "two.yaml" in said
