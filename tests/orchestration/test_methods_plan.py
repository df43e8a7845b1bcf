"""The methods on the command line and in a plan: sizes as published, and every misfit before anything trains."""

import json
from pathlib import Path

import pytest

from madv.data.cache import describe
from madv.errors import SpecError
from madv.methods import table
from orchestration.cli_methods import methods
from orchestration.code import training_code
from orchestration.plan import expand
from orchestration.spec import load_spec

SWEEP = """\
cluster_name: methods
metadata:
  sweep:
    base: [dataset=synthetic, dataset.frames=5, dataset.size=30, model=madv_tiny, method.width=8]
    design: one_factor_at_a_time
    factors:
      method:
        madv_net: []
        c3d: [method=c3d]
        masked: [method=c3d, pretrain=masked]
        videomae: [method=videomae, method.patch=8]
        mae_dfer: [method=mae_dfer, method.patch=15, method.width=6]
        weights: [method=videomae, method.weights=FOLDER]
"""


def test_a_plan_says_all_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("FOLDER", str(tmp_path)))
    spec = load_spec(tmp_path / "sweep.yaml")
    with pytest.raises(SpecError) as error:
        expand(spec, lambda data: describe(data, tmp_path / "clips"), training_code)
    found = [problem.message.split(";")[0] for problem in error.value.problems]
    assert found == [
        "variant 'method=masked': c3d has no pre-training",
        "variant 'method=videomae': videomae reads pairs of frames",
        "variant 'method=videomae': videomae cuts frames into whole squares of 8 pixels, and the clips are 30 x 30",
        "variant 'method=mae_dfer': method.width=6 of mae_dfer is no multiple of 4",
        "variant 'method=mae_dfer': mae_dfer reads pairs of frames",
        "variant 'method=weights': the weights of videomae have theirs",
        f"variant 'method=weights': '{tmp_path}' lacks config.json and model.safetensors",
    ]


def test_methods_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    some = ("resnet3d_18", "nr_dfernet")  # counting all takes seconds
    monkeypatch.setattr(table, "METHODS", {name: table.METHODS[name] for name in some})
    assert methods(as_json=True) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == ["madv_net", *some]
    assert rows["resnet3d_18"]["parameters"] == 33_207_495
    assert rows["resnet3d_18"]["macs"] == pytest.approx(8.308e9, rel=0.01)
    assert rows["resnet3d_18"]["input"] == [16, 112, 112]
    assert rows["nr_dfernet"]["source"] == "Li et al., arXiv:2206.04975"
