"""Pre-trained weights: who shares them, how they are stored, where they fit."""

import pandas as pd
import pytest
import torch
from pretraining import SOURCE, TINY, config, method, network, same
from safetensors.torch import save

from madv.compose import compose, presets
from madv.data.identity import subject_identity
from madv.encoder_key import encoder_meaning
from madv.pretrained import (
    DIGEST,
    HEADER,
    Pretrained,
    PretrainedError,
    decode,
    encode,
    encoder_state,
    load_pretrained,
)


def test_one_person_has_one_identity_in_a_composite_and_in_its_data_set() -> None:
    rows = [
        ("composite", "smic/s03"), ("smic", "s3"), ("SMIC-HS", "3"),
        ("samm", "samm/006"), ("SAMM", "6"),
        ("CASME-II", "sub01"), ("casme2", "01"), ("CAS(ME)^2", "s01"), ("casme_sq", "s1"),
        ("mine", "Anna"), ("mine", "anna"), ("mine", "bo2b"),
    ]  # fmt: skip
    manifest = pd.DataFrame(rows, columns=["dataset", "subject"])
    assert subject_identity(manifest).tolist() == [
        "smic/3", "smic/3", "smic/3",
        "samm/6", "samm/6",
        "casme2/1", "casme2/1", "casmesq/1", "casmesq/1",
        "mine/anna", "mine/anna", "mine/bo2b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "override",
    [
        "loss.alpha=0",
        "loss.w_au=0",
        "model.head_dropout=0",
        "model.dropping.keep=0.5",
        "train.epochs=3",
        "pretrain.decoder_blocks=3",
    ],
)
def test_what_the_encoder_does_not_depend_on_is_shared(override: str) -> None:
    labelled = (SOURCE, "pretrain.supervised_epochs=1")
    assert encoder_meaning(config(override, *labelled)) == encoder_meaning(config(*labelled))


def test_what_a_method_does_not_read_does_not_tell_its_pre_trainings_apart() -> None:
    reference = encoder_meaning(method("mae_dfer"))
    for override in ("method.class_mu=1", "model.levels=2", "pretrain.target=motion", "pretrain.motion_weight=0.9"):
        assert encoder_meaning(method("mae_dfer", override)) == reference
    for override in ("method.width=32", "pretrain.decoder_blocks=3"):
        assert encoder_meaning(method("mae_dfer", override)) != reference


@pytest.mark.parametrize(
    "override",
    ["model.levels=2", "model.au.sampled=true", "pretrain.mask_ratio=0.75", "pretrain.supervised_epochs=3"],
)
def test_what_the_encoder_depends_on_is_not(override: str) -> None:
    overrides = [*TINY, SOURCE, "pretrain.masked_epochs=1"]
    assert encoder_meaning(compose([*overrides, override])) != encoder_meaning(compose(overrides))


def test_weights_of_another_network_are_refused() -> None:
    state = encoder_state(network())
    with pytest.raises(PretrainedError) as error:
        load_pretrained(network("model.streams.au=false", "model.mlp_ratio=2"), state)
    messages = [str(problem) for problem in error.value.problems]
    assert "streams.au.unit: is pre-trained, but not in this network" in messages
    assert any(message.endswith("is (16,) here and (8,) in the pre-trained weights") for message in messages)


def test_a_pretrained_encoder_as_bytes() -> None:
    state = {"streams.a": torch.tensor([[1.5, -2.0]]), "streams.n": torch.tensor(7), "fuse_b": torch.zeros(0, 3)}
    history = {"masked": {"loss": [1.0, 0.1 + 0.2]}}
    stored = encode(Pretrained(state=state, history=history, seconds=1.25, clips=12))
    read = decode(stored, "file")
    assert (read.history, read.seconds, read.clips) == (history, 1.25, 12)
    assert same(read.state, state)
    flipped = bytearray(stored)
    flipped[-3] ^= 1
    with pytest.raises(PretrainedError, match=r"^file: was altered after it was written; delete it"):
        decode(bytes(flipped), "file")
    for broken in (stored[:-1], stored[:20], b"", b"PAR1" * 9):
        with pytest.raises(PretrainedError, match=r"^file: was cut off or is no pre-trained encoder of ours"):
            decode(broken, "file")
    # Whole, with a digest that holds, and none of ours all the same.
    listed = encode(Pretrained(state=state, history=[], seconds=1.25, clips=12))  # type: ignore[arg-type]
    with pytest.raises(PretrainedError, match="was written by another version"):
        decode(listed, "file")
    half = save({"a": torch.ones(1, dtype=torch.bfloat16)}, metadata={HEADER: "{}", DIGEST: ""})
    with pytest.raises(PretrainedError, match="is no pre-trained encoder of ours"):
        decode(half, "file")


@pytest.mark.parametrize("preset", presets("pretrain"))
def test_every_preset_says_what_it_does(preset: str) -> None:
    pretrain = compose([f"pretrain={preset}"]).pretrain
    assert pretrain.active() == (preset != "none")
    assert (pretrain.dataset is None) == (pretrain.supervised_epochs == 0)
