"""A search from ask to tell, without Ray: budgets, failures, resumes, and whose study it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import optuna
import pytest
import simulated_search
from simulated_search import drive, searches

from orchestration.cells import CellStore
from orchestration.cli_search_records import study_of_trials
from orchestration.search_driver import Driver
from orchestration.search_scores import values_of
from orchestration.search_space import suggest
from orchestration.search_study import AGAIN, REASON, StudyError, counted, open_study, resume, retry_failed
from orchestration.tasks import Outcome, TrialTask


def states(study: optuna.Study) -> Counter[str]:
    return Counter(trial.state.name for trial in study.trials)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellStore:
    monkeypatch.setenv("MADV_SIMULATED_MARKS", str(tmp_path))
    return CellStore(tmp_path / "store")


def trained(folder: Path) -> list[str]:
    """One line a fold that was trained."""
    return (folder / "trained").read_text().splitlines()


def test_values_are_those_of_all_folds_pooled_and_known_points_come_first(tmp_path: Path, store: CellStore) -> None:
    options = "enqueue: [{loss.focal_mu: 1, model.streams.au: false}]"
    (search,) = searches(tmp_path, 4, 5, options)
    study = open_study(search)
    assert study is not None
    assert resume(study, search) == 5
    assert drive(search, study, store, 5, slots=2) == 0
    assert states(study) == {"COMPLETE": 5}
    assert study.trials[0].params == {"loss.focal_mu": 1.0, "model.streams.au": False}
    assert len(trained(tmp_path)) == 20
    candidate = search.candidate(study.best_params, "best")
    cells = store.read_many([cell.key for cell in candidate.cells])
    assert study.best_value == pytest.approx(values_of(cells)["uf1"])
    # Pooled, then scored: not the mean of the folds' scores.
    assert study.best_value != pytest.approx(sum(values_of([cell])["uf1"] for cell in cells) / 4)


def test_several_objectives(tmp_path: Path, store: CellStore) -> None:
    (search,) = searches(tmp_path, 3, 3, "objectives: [uf1, parameters]")
    study = open_study(search)
    assert study is not None
    drive(search, study, store, resume(study, search))
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in study.trials:
        assert trial.values[1] == (30 if trial.params["model.streams.au"] else 20)


@pytest.mark.parametrize("state", ["crowded", "unstored"])
def test_a_fold_that_left_nothing_is_tried_again(tmp_path: Path, store: CellStore, state: Outcome) -> None:
    (search,) = searches(tmp_path, 4, 1)
    study = open_study(search)
    assert study is not None
    driver = Driver(search, study, store, resume(study, search))
    task = driver.ask("first")
    assert task is not None
    assert driver.heard("first", task.cells[0].key, state)
    assert driver.ended("first") == 0
    assert driver.ask("second") == task
    assert states(study) == {"RUNNING": 1}


def test_the_report_counts_the_folds_of_all_seeds_that_a_race_has_saved(tmp_path: Path, store: CellStore) -> None:
    known = "enqueue: [{loss.focal_mu: 1, model.streams.au: false}, {loss.focal_mu: 0, model.streams.au: false}]"
    (search,) = searches(tmp_path, 20, 2, known, design="design: search\n    seeds: 2")
    study = open_study(search)
    assert study is not None
    saved = drive(search, study, store, resume(study, search))
    found = study_of_trials(search, store, store.states(), [])
    assert [trial.state for trial in found.trials] == ["finished", "stopped"]
    assert found.folds == 40 and 0 < saved == found.saved
    assert found.trials[1].folds == 40 - saved


def test_what_matters_is_told_of_each_objective(tmp_path: Path, store: CellStore) -> None:
    (search,) = searches(tmp_path, 3, 40, "objectives: [uf1, parameters]\n      sampler: random")
    study = open_study(search)
    assert study is not None
    for _ in range(40):
        trial = study.ask()
        values = suggest(search.spec.space, trial)
        study.tell(trial, [1 - abs(values["loss.focal_mu"] - 1), 30 if values["model.streams.au"] else 20])
    found = study_of_trials(search, store, {}, []).importance
    assert {name: max(shares, key=shares.__getitem__) for name, shares in found.items()} == {
        "uf1": "loss.focal_mu",
        "parameters": "model.streams.au",
    }
    # Only trials with action units have it, and none of them is among the smallest.
    assert found["parameters"]["loss.w_au"] == 0 < found["uf1"]["loss.w_au"]
    for shares in found.values():
        assert sum(shares.values()) == pytest.approx(1)


def test_a_failed_fold_fails_its_configuration_and_the_search_goes_on(tmp_path: Path, store: CellStore) -> None:
    options = "enqueue: [{loss.focal_mu: 2, model.streams.au: false}]"
    (search,) = searches(tmp_path, 4, 3, options)
    study = open_study(search)
    assert study is not None
    saved = drive(search, study, store, resume(study, search))
    assert (states(study)["FAIL"], study.trials[0].state.name) == (1, "FAIL")
    assert study.trials[0].user_attrs[REASON] == "the loss is nan"
    assert saved == 3  # of four folds the first had failed
    assert counted(study) == 3

    retry_failed(search, study, store)
    assert resume(study, search) == 1
    assert study.ask().params == {} and study.trials[3].user_attrs[AGAIN] == 0


def test_a_configuration_that_does_not_compose_is_told_with_its_reason(tmp_path: Path, store: CellStore) -> None:
    space = "        model.heads: [[2, 2, 4], x]\n"
    with pytest.raises(Exception, match="heads"):
        searches(tmp_path, 3, 2, "", space)
    space = "        loss.focal_mu: {low: 0, high: 1}\n        model.fusion: [last]\n"
    with pytest.raises(Exception, match="two or more"):
        searches(tmp_path, 3, 2, "", space)
    space = "        loss.w_freq: [0, 1]\n        model.fusion: [last, concat]\n"
    with pytest.raises(Exception, match="fusion"):
        searches(tmp_path, 3, 2, "", space)


def test_what_was_cut_off_is_tried_again_first_and_only_once(tmp_path: Path, store: CellStore) -> None:
    (search,) = searches(tmp_path, 4, 3)
    study = open_study(search)
    assert study is not None
    driver = Driver(search, study, store, resume(study, search))
    task = driver.ask("a")
    assert isinstance(task, TrialTask)
    # Two folds, and the driver is gone: the trial stays RUNNING in the study.
    for cell in task.cells[:2]:
        assert driver.heard("a", cell.key, simulated_search.train_cell(store, task, cell)) is False
    assert states(study) == {"RUNNING": 1}

    for _ in range(2):  # a resume that is cut off too changes nothing
        study = open_study(search)
        assert study is not None
        assert resume(study, search) == 3
        assert states(study) == {"FAIL": 1, "WAITING": 1}
    drive(search, study, store, 3)
    assert states(study) == {"FAIL": 1, "COMPLETE": 3}
    assert study.trials[1].params == study.trials[0].params
    assert len(trained(tmp_path)) == 3 * 4  # the two folds were found, not trained again
    assert resume(study, search) == 0


def test_a_study_goes_on_with_a_larger_budget_and_draws_anew(tmp_path: Path, store: CellStore) -> None:
    for trials in (2, 4):
        (search,) = searches(tmp_path, 3, trials)
        study = open_study(search)
        assert study is not None
        assert resume(study, search) == 2
        drive(search, study, store, 2)
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 4


def test_another_space_is_another_study_unless_a_name_says_otherwise(tmp_path: Path) -> None:
    (search,) = searches(tmp_path, 3, 2)
    (other,) = searches(tmp_path, 3, 2, "", simulated_search.SPACE.replace("high: 2}", "high: 3}"))
    assert search.study != other.study
    assert search.study.startswith("simulated-")
    (search,) = searches(tmp_path, 3, 2, "study: mine")
    assert open_study(search) is not None
    (other,) = searches(tmp_path, 3, 2, "study: mine", simulated_search.SPACE.replace("high: 2}", "high: 3}"))
    with pytest.raises(StudyError, match=r"the study 'mine' in sqlite:///.* belongs to another space") as caught:
        open_study(other)
    assert "search.yaml:10: metadata.sweep.search.study" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/at/all/study.db", "nowhere"),
        ("postgresql://me:secret@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x: "),
        ("nonsense", "nonsense: "),
        ("journal:/proc/x/study.log", "journal:/proc/x/study.log: "),
    ],
)
def test_a_storage_out_of_reach_is_a_sentence(tmp_path: Path, url: str, message: str) -> None:
    (search,) = searches(tmp_path, 3, 2, f"storage: '{url}'")
    if url.startswith("sqlite"):
        assert open_study(search, create=False) is None
        return
    with pytest.raises(StudyError, match=message) as caught:
        open_study(search)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_journal_file_will_do(tmp_path: Path, store: CellStore) -> None:
    (search,) = searches(tmp_path, 3, 2, f"storage: 'journal:{tmp_path}/study.log'")
    study = open_study(search)
    assert study is not None
    drive(search, study, store, resume(study, search))
    again = open_study(search, create=False)
    assert again is not None
    assert states(again) == {"COMPLETE": 2}


@pytest.mark.parametrize("sampler", ["gp", "nsgaii", "qmc", "random"])
def test_samplers(tmp_path: Path, store: CellStore, sampler: str) -> None:
    (search,) = searches(tmp_path, 2, 3, f"sampler: {sampler}")
    study = open_study(search)
    assert study is not None
    drive(search, study, store, resume(study, search))
    assert states(study)["COMPLETE"] == 3


def test_cmaes_over_numbers(tmp_path: Path, store: CellStore) -> None:
    space = "        loss.focal_mu: {low: 0, high: 1.5}\n        loss.w_au: {low: 0.1, high: 10, log: true}\n"
    (search,) = searches(tmp_path, 2, 4, "sampler: cmaes", space)
    study = open_study(search)
    assert study is not None
    drive(search, study, store, resume(study, search))
    assert states(study)["COMPLETE"] == 4
