"""What a sweep's runs say of themselves in MLflow: description, views, findings; hostile texts stay texts."""

from __future__ import annotations

import base64
import csv
import io
import json
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import simulated
from test_tracking import fill, runs

from madv.errors import MadvError
from orchestration.cell_records import failed_cell
from orchestration.cells import CellStore
from orchestration.mlflow_note import NOTE, failures, note, plain
from orchestration.mlflow_values import predictions_csv
from orchestration.mlflow_views import QUESTIONS, TAG, differing
from orchestration.tracking import track
from orchestration.verdict import Finding, Verdict, read_verdict, write_verdict

pytestmark = pytest.mark.filterwarnings("ignore")

HOSTILE = '=HYPERLINK("x")</script><img src=x onerror=alert(1)> `_\\input{a} [a](javascript:b) \udc80'
HURTS = Finding(difference=-0.25, low=-0.5, high=-0.125, p_holm=0.03, verdict="hurts")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Any]:
    """The runs, parent first, and the experiment of a small sweep with hostile texts."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # marks do not reach the fixtures of a module
        patch.chdir(folder)
        return _tracked(folder)


def _tracked(tmp_path: Path) -> tuple[list[Any], Any]:
    from mlflow.tracking import MlflowClient

    factors = {"texture": {"on": (), HOSTILE[:-2]: ("model.streams.texture=false",)}}
    plan = simulated.plan(subjects=2, seeds=2, factors=factors, name="told")
    plan = replace(plan, spec=replace(plan.spec, question=HOSTILE))
    store = CellStore(tmp_path / "store")
    fill(plan, store, keep=7)
    last, config = plan.cells[7], plan.variants[1]
    store.write(failed_cell(last, config.digest, f"Traceback\n{HOSTILE}", 1_700_000_100.0))
    report = tmp_path / "report"
    report.mkdir()
    (report / "index.html").write_text("<p>report")
    verdict = Verdict(headline=f"“{HOSTILE}” is worse.", warnings=(HOSTILE,), findings={config.name: HURTS})
    write_verdict(report, verdict)
    assert read_verdict(report) == verdict
    database = f"sqlite:///{tmp_path}/mlflow.db"
    track(plan, store, report, database)
    track(plan, store, report, database)
    experiment = MlflowClient(database).get_experiment_by_name("told")
    return runs(database, "told"), experiment


def test_the_parent_says_what_came_of_it_and_where_to_look(tracked: tuple[list[Any], Any]) -> None:
    (parent, *children), experiment = tracked
    said = parent.data.tags[NOTE]
    first, _, headline, links = said.strip().split("\n\n")
    assert first == f"**{plain(HOSTILE)}**"
    assert headline.startswith("“=HYPERLINK")
    home = f"#/experiments/{experiment.experiment_id}/runs"
    assert f"({home}/{parent.info.run_id}/artifacts/report/index.html)" in links
    assert all(f"[{question}]({home}?viewStateShareKey=" in links for question in QUESTIONS.values())
    assert all(child.info.run_id in links for child in children)
    assert "<" not in said and "[a](" not in said and "`_" not in said.replace("\\`\\_", "")


def test_a_variants_finding_is_on_each_of_its_seeds_once(tracked: tuple[list[Any], Any]) -> None:
    (_, *children), _ = tracked
    hurt = [child for child in children if child.data.params["variant"] != "reference"]
    assert len(hurt) == 2
    for child in hurt:
        found = {name: child.data.metrics[name] for name in ("difference", "difference_low", "difference_high")}
        assert found == {"difference": -0.25, "difference_low": -0.5, "difference_high": -0.125}
        assert child.data.metrics["p_holm"] == 0.03
        assert child.data.tags["madv.verdict"] == "hurts"
    reference = next(child for child in children if child.data.params["variant"] == "reference")
    assert "difference" not in reference.data.metrics
    [failed] = [child for child in children if child.info.status == "FAILED"]
    assert failed.data.tags[NOTE].startswith("1 of 2 folds failed")
    assert "<" not in failed.data.tags[NOTE]


def test_params_are_numbers_where_they_are_numbers_and_absent_where_there_is_none(
    tracked: tuple[list[Any], Any],
) -> None:
    (parent, child, *_), _ = tracked
    assert float(child.data.params["train.learning_rate"]) > 0
    assert "None" not in child.data.params.values()
    assert (parent.data.params["seeds"], parent.data.params["subjects"]) == ("2", "2")


def test_the_three_questions_are_saved_views_of_the_children(tracked: tuple[list[Any], Any]) -> None:
    (parent, *_), experiment = tracked
    kept = {key.removeprefix(TAG): json.loads(value) for key, value in experiment.tags.items() if key.startswith(TAG)}
    assert {view: content["name"] for view, content in kept.items()} == QUESTIONS
    for content in kept.values():
        assert content["state"].startswith("deflate;")
        state = json.loads(zlib.decompress(base64.b64decode(content["state"].removeprefix("deflate;"))))
        assert state["searchFilter"] == f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
        assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == len(state["compareRunCharts"])
    matters = json.loads(zlib.decompress(base64.b64decode(kept["madv-matters"]["state"].removeprefix("deflate;"))))
    assert matters["compareRunCharts"][0]["selectedParams"] == ["texture"]


def test_predictions_are_a_table_whatever_the_clips_are_called(tmp_path: Path) -> None:
    plan = simulated.plan(subjects=2)
    store = CellStore(tmp_path / "store")
    fill(plan, store, keep=1)
    cell = store.read(plan.cells[0].key)
    odd = replace(cell, sample_id=("=1+1", 'a,"b"', "-c"), class_names=("@a", "b,c", "d"))
    rows = list(csv.reader(io.StringIO(predictions_csv([odd]))))
    assert rows[0] == ["sample_id", "held_out", "y_true", "y_pred", "'@a", "b,c", "d"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", 'a,"b"', "'-c"]
    assert {len(row) for row in rows} == {7}


def test_a_sweep_without_factors_is_told_apart_by_the_settings_that_differ() -> None:
    assert differing([{"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3, "c": None, "d": 0}]) == ["b", "d"]


def test_many_runs_are_compared_in_part() -> None:
    said = note("", None, "1", "p", [f"{number:032x}" for number in range(200)])
    assert "Compare the first 60 runs" in said
    assert len(said) < 8000
    assert failures([]) is None


def test_a_broken_verdict_is_a_sentence(tmp_path: Path) -> None:
    assert read_verdict(tmp_path) is None
    (tmp_path / "verdict.json").write_text("{")
    with pytest.raises(MadvError, match=r"verdict\.json: cannot be read; write the report once more"):
        read_verdict(tmp_path)
