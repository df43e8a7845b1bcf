"""Overrides to a configuration: presets, values, and every problem at once."""

import pytest

from madv.compose import compose, flatten, presets
from madv.config_synthetic import SyntheticConfig
from madv.errors import ConfigError


def problems(*overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    return [str(problem) for problem in caught.value.problems]


def test_values_go_over_presets_whatever_their_order() -> None:
    config = compose(["train.epochs=3", "train=paper"])
    assert (config.train.epochs, config.train.learning_rate) == (3, 5e-5)


def test_a_preset_holds_only_what_differs() -> None:
    config = compose(["model=madv_tiny"])
    assert config.model.widths == (16, 32, 64)
    assert config.model.projection.kernel == 3


@pytest.mark.parametrize("group", ["dataset", "model", "loss", "train", "pretrain", "method"])
def test_every_preset_composes(group: str) -> None:
    assert presets(group)
    for name in presets(group):
        compose([f"{group}={name}"])


def test_every_problem_is_found_in_one_go() -> None:
    found = problems("dataset=synthetc", "loss.alpa=0", "+x=1", "model.streams=false", "train.epochs=-1")
    assert [line.partition(": ")[0] for line in found] == [
        "dataset=synthetc",
        "loss.alpa=0",
        "+x=1",
        "model.streams=false",
        "train.epochs=-1",
    ]
    assert "did you mean 'synthetic'?" in found[0]
    assert "did you mean 'loss.alpha'?" in found[1]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.heads=[2,1,4]", "the au stream needs an even number"),
        ("model.heads=[6,2,4]", "6 heads do not divide width 16 of the low level"),
        ("model.streams={texture: false, depth: false, au: false}", "all streams are off"),
        ("train.learning_rate=inf", "finite"),
        ("train.min_learning_rate=1", "is above train.learning_rate"),
        ("train.batch_size=1", "greater than or equal to 2"),
        ("dataset.subjects=1", "greater than or equal to 2"),
        ("dataset.kind=megc2019", "choose a data set with dataset=megc2019"),
        ("loss.alpha.x=1", "unknown setting 'loss.alpha.x'"),
    ],
)
def test_what_contradicts_itself_is_refused(override: str, message: str) -> None:
    (found,) = problems("model=madv_tiny", override)
    assert message in found


def test_flatten_gives_dotted_keys() -> None:
    assert flatten({"loss": {"alpha": 1}, "seed": 2}) == {"loss.alpha": 1, "seed": 2}


def test_names_do_not_enter_the_meaning() -> None:
    assert set(compose(["dataset=synthetic"]).meaning()) == {"model", "loss", "train"}


def test_a_second_data_set_is_a_preset_with_its_own_settings() -> None:
    source = compose(["pretrain=smic", "pretrain.dataset=smic_like", "pretrain.dataset.seed=3"]).pretrain.dataset
    assert isinstance(source, SyntheticConfig)
    assert (source.subjects, source.seed) == (16, 3)
    assert compose(["pretrain.dataset=smic_like", "pretrain.dataset=null"]).pretrain.dataset is None
    assert problems("pretrain.dataset=smic_lik")[0].startswith("pretrain.dataset=smic_lik: unknown dataset preset")
    assert problems("pretrain.dataset=smic_like", "pretrain.dataset.subject=3")[0].startswith(
        "pretrain.dataset.subject=3"
    )


def test_a_method_takes_the_place_of_the_model() -> None:
    config = compose(["method=c3d"])
    assert set(config.meaning()) == {"method", "train"}
    assert config.meaning() == compose(["method=c3d", "loss.alpha=0"]).meaning()


def test_pretraining_enters_the_meaning_where_there_is_some() -> None:
    config = compose(["pretrain.dataset=smic_like", "pretrain.supervised_epochs=3"])
    assert "dataset" not in config.meaning()["pretrain"]


def test_a_level_that_nobody_reads_is_refused() -> None:
    assert problems("model.fusion=last", "loss.alpha=0")[0].startswith("model.fusion: last reads the highest level")
    assert problems("model.fusion=last", "model.levels=2", "loss.w_freq=0")
    assert compose(["model.fusion=last", "model.levels=1", "loss.w_freq=0"])
    assert compose(["method=c3d", "model.fusion=last", "loss.w_freq=0"])
    assert compose(["model.fusion=last", "loss.gamma=0"])
    assert compose(["model.fusion=last", "model.levels=2", "loss.gamma=0"])


@pytest.mark.parametrize("override", ["protocol.split=clips", "protocol.copies=2"])
def test_a_pretraining_leaves_out_one_subject(override: str) -> None:
    assert problems("pretrain.masked_epochs=1", override)[0].startswith("protocol: a pre-training leaves out one")
    assert compose(["pretrain.masked_epochs=1", "protocol.epoch=best_on_test"])
