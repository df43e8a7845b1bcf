"""Hydra's `_target_`, which names code to run, is a setting that there is not: neither typed nor in a sweep file."""

from __future__ import annotations

from pathlib import Path

import pytest

from madv.compose import compose
from madv.errors import ConfigError, SpecError
from orchestration.spec import load_spec

TARGETS = [
    "model._target_=os.system",
    "+model._target_=os.system",
    "++dataset._target_=os.system",
    "_target_=os.system",
    "model={_target_: os.system}",
    "model.streams={_target_: os.system}",
    "dataset={_target_: os.system, command: id}",
    "loss.alpha={_target_: os.system}",
    "hydra.searchpath=[file:///tmp]",
    "hydra/launcher=basic",
    "model=/tmp/model",
    "dataset=../../tmp/dataset",
]
PRESETS = Path(__file__).parents[2] / "madv" / "conf"


@pytest.mark.parametrize("text", TARGETS)
def test_a_target_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        compose(["dataset=synthetic", text])
    file = tmp_path / "sweep.yaml"
    overrides = f"base: [dataset=synthetic]\n    design: variants\n    variants: {{whole: [], other: ['{text}']}}"
    file.write_text(f"cluster_name: x\nmetadata:\n  sweep:\n    {overrides}\n")
    with pytest.raises(SpecError, match=r"other|is not|unknown|only key=value"):
        load_spec(file)


def test_none_of_our_presets_has_one() -> None:
    """And there are presets."""
    texts = {path.name: path.read_text() for path in PRESETS.rglob("*.yaml")}
    assert len(texts) > 20 and not [name for name, text in texts.items() if "_target_" in text]
