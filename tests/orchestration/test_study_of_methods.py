"""What a report of methods is told beside the cells: names, the data set's preset, and each network's cost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import madv.complexity
from madv.compose import compose
from orchestration import growth_file
from orchestration.cli_study import _method, _preset, _remarks, lone_classes


@pytest.mark.parametrize(
    ("overrides", "name"),
    [([], "MADV-Net"), (["method=r2plus1d_18"], "R(2+1)D-18"), (["method=resnet18_lstm"], "ResNet-18+LSTM")],
)
def test_networks_have_the_papers_names(overrides: list[str], name: str) -> None:
    assert _method(compose(overrides)) == name


def test_the_last_preset_names_the_data_set() -> None:
    chosen = ("dataset=synthetic", "dataset=smic_like", "dataset.size=32")
    for overrides, name in ((chosen, "smic_like"), ((), "synthetic")):
        plan: Any = SimpleNamespace(variants=[SimpleNamespace(overrides=overrides, config=compose(overrides))])
        assert _preset(plan) == name


def test_what_flatters_a_variant_is_said_of_it() -> None:
    assert _remarks(compose(["protocol.copies=4"])) == ()
    assert len(_remarks(compose(["protocol.split=clips", "protocol.copies=4"]))) == 2
    assert "chosen on the clips that it is scored on" in _remarks(compose(["protocol.epoch=best_on_test"]))[0]


def test_a_networks_cost_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def measure(config: Any, shapes: Any, classes: int, **options: Any) -> Any:
        counted.append((shapes, classes, options["device"]))
        return SimpleNamespace(macs=12, peak_memory=34)

    streams = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32)}
    facts: Any = SimpleNamespace(streams=streams, class_names=("a", "b"), has_au_targets=False)
    monkeypatch.setattr(growth_file, "describe", lambda dataset, root: facts)
    monkeypatch.setattr(madv.complexity, "measure", measure)
    for _ in range(2):
        assert growth_file.network_cost(compose(["method=c3d"]), tmp_path) == {"macs": 12, "memory": 34}
    assert counted == [({"texture": (3, 8, 32, 32)}, 2, "cpu")]


def test_a_class_that_one_subject_alone_has_is_said() -> None:
    manifest = pd.DataFrame({"subject": ["s1", "s1", "s2", "s2"], "label": [0, 1, 0, 0]})
    (said,) = lone_classes(manifest, ("anger", "joy", "none"))
    assert said.startswith("Only subject s1 has clips of joy: the fold that holds it out trains without that ")
