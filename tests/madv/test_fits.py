"""What a data set lacks is said before anything trains."""

from typing import Any

import pytest

from madv.compose import compose
from madv.config_data import DatasetConfig
from madv.data.cache import DatasetFacts
from madv.fits import misfits

ORACLE = "model.au.source=annotated"
LABELLED = ("pretrain.dataset=smic_like", "pretrain.supervised_epochs=1")


def facts(recordings: str, *, has_au_targets: bool = True, **changes: Any) -> DatasetFacts:
    values: dict[str, Any] = {
        "kind": "synthetic",
        "fingerprint": recordings,
        "class_names": ("a", "b"),
        "clips_per_class": (4, 4),
        "clips_per_subject": {"s1": 4, "s2": 4},
        "clips": recordings,
        "streams": {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (5, 8)},
        "facts": {},
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


def test_a_source_of_the_data_sets_own_recordings_needs_a_masked_part() -> None:
    ours, louder = facts("ours"), facts("ours", fingerprint="louder")
    (problem,) = found(LABELLED, ours, louder)
    assert problem.startswith("pretrain.dataset: its recordings are the data set's own")
    assert found((*LABELLED, "pretrain.masked_epochs=1"), ours, louder) == []


def test_units_alone_have_nothing_to_hide() -> None:
    alone = ("model.streams.texture=false", "model.streams.depth=false")
    (problem,) = found((*alone, "pretrain.masked_epochs=1"), facts("ours"))
    assert problem.startswith("pretrain.masked_epochs: masked modelling hides pixels")
    assert found((*alone, *LABELLED), facts("ours"), facts("theirs")) == []


def test_a_pre_training_that_is_not_active_is_not_looked_at() -> None:
    assert found((), facts("ours")) == []
