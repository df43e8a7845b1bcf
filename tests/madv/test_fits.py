"""What a data set lacks is said before anything trains."""

from typing import Any

import pytest

from madv.compose import compose
from madv.config_data import DatasetConfig
from madv.data.dataset_facts import DatasetFacts
from madv.fits import misfits

ORACLE = "model.au.source=annotated"
LABELLED = ("pretrain.dataset=smic_like", "pretrain.supervised_epochs=1")


def facts(*recordings: str, has_au_targets: bool = True, **changes: Any) -> DatasetFacts:
    values: dict[str, Any] = {
        "kind": "synthetic",
        "fingerprint": "".join(recordings),
        "class_names": ("a", "b"),
        "clips_per_class": (4, 4),
        "clips_per_subject": {"s1": 4, "s2": 4},
        "clips": "".join(recordings),
        "streams": {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (5, 8)},
        "facts": {},
        "au_names": ("AU1", "AU2"),
    }
    return DatasetFacts(recordings=recordings, has_au_targets=has_au_targets, **{**values, **changes})


def found(overrides: tuple[str, ...], here: DatasetFacts, there: DatasetFacts | None = None) -> list[str]:
    config = compose(["dataset=synthetic", "model=madv_tiny", *overrides])

    def describe(dataset: DatasetConfig) -> DatasetFacts:
        if dataset == config.dataset:
            return here
        assert there is not None
        return there

    return [str(problem) for problem in misfits(config, describe)]


@pytest.mark.parametrize(
    ("here", "there", "lacking"),
    [(True, True, []), (False, True, ["the data set"]), (True, False, ["pretrain.dataset"])],
)
def test_the_oracle_needs_annotated_units_wherever_it_looks(here: bool, there: bool, lacking: list[str]) -> None:
    ours, theirs = facts("ours", has_au_targets=here), facts("theirs", has_au_targets=there)
    assert found((ORACLE, *LABELLED), ours, theirs) == [
        f"model.au.source: {name} has no annotated action units; set it to estimated" for name in lacking
    ]
    assert found(LABELLED, ours, theirs) == []
    assert found((ORACLE, "model.streams.au=false", *LABELLED), ours, theirs) == []


@pytest.mark.parametrize("masked", [0, 1])
def test_a_source_of_the_data_sets_own_recordings_adds_nothing(masked: int) -> None:
    ours, part, more = facts("a", "b", "c"), facts("b", "c"), facts("c", "d")
    labelled = (*LABELLED, f"pretrain.masked_epochs={masked}")
    for own in (facts("a", "b", "c", fingerprint="louder"), part):
        (problem,) = found(labelled, ours, own)
        assert problem.startswith("pretrain.dataset: all its recordings are the data set's own")
    assert found(labelled, ours, more) == found(labelled, part, ours) == []


def test_other_action_units_are_no_start() -> None:
    ours, theirs = facts("ours"), facts("theirs", au_names=("AU1", "AU4"))
    (problem,) = found(LABELLED, ours, theirs)
    assert problem == "pretrain.dataset: its action units are AU1, AU4, those of dataset AU1, AU2"
    assert found((*LABELLED, "model.streams.au=false"), ours, theirs) == []


def test_units_alone_have_nothing_to_hide() -> None:
    alone = ("model.streams.texture=false", "model.streams.depth=false")
    (problem,) = found((*alone, "pretrain.masked_epochs=1"), facts("ours"))
    assert problem.startswith("pretrain.masked_epochs: masked modelling hides pixels")
    assert found((*alone, *LABELLED), facts("ours"), facts("theirs")) == []


def test_a_pre_training_that_is_not_active_is_not_looked_at() -> None:
    assert found((), facts("ours")) == []
