"""Variants, their names and meanings, and the keys of their cells."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from madv.compose import compose
from madv.errors import SpecError
from orchestration.plan import Plan, expand
from orchestration.spec import load_spec

CODE = "c" * 64
SWEEP = """\
cluster_name: plan
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny]
    design: factorial
    factors:
      texture: {on: [], off: [model.streams.texture=false]}
      depth: {on: [], off: [model.streams.depth=false]}
    exclude: [texture=off depth=off]
    seeds: 2
"""


def facts(*streams: str) -> Any:
    """What a plan needs to know of a data set with subjects s1 and s2."""
    shapes = {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (5, 8)}
    return SimpleNamespace(
        kind="synthetic",
        fingerprint="d" * 64,
        facts={},
        clips="c",
        subjects=("s1", "s2"),
        streams={name: shapes[name] for name in streams},
    )


ALL = facts("texture", "depth", "au")


def plan(folder: Path, text: str = SWEEP, *overrides: str, about: Any = ALL, code: str = CODE) -> Plan:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return expand(load_spec(path, overrides), about if callable(about) else lambda _: about, lambda _: code)


def keys(found: Plan) -> set[str]:
    return {cell.key for cell in found.cells}


def test_variants_and_cells(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert [variant.name for variant in found.variants] == ["reference", "depth=off", "texture=off"]
    assert found.variants[1].levels == {"texture": "on", "depth": "off"}
    assert found.variants[1].overrides == ("dataset=synthetic", "model=madv_tiny", "model.streams.depth=false")
    assert found.variants[1].config.model.streams.active() == ("texture", "au")
    assert [(cell.variant, cell.seed, cell.subject) for cell in found.cells[:5]] == [
        ("reference", 0, "s1"),
        ("reference", 0, "s2"),
        ("reference", 1, "s1"),
        ("reference", 1, "s2"),
        ("depth=off", 0, "s1"),
    ]
    assert len(found.cells) == len(keys(found)) == 3 * 2 * 2
    assert found.variants[0].config == compose(["dataset=synthetic", "model=madv_tiny"])


def test_controls_are_the_reference_with_seeds_of_its_own_and_with_shuffled_labels(tmp_path: Path) -> None:
    plain, found = plan(tmp_path), plan(tmp_path, SWEEP + "    controls: [shuffled_labels, repeat]\n")
    assert found.variants == plain.variants and list(found.controls) == ["repeat", "shuffled_labels"]
    repeat, shuffled = found.controls.values()
    assert repeat.config == found.variants[0].config
    assert shuffled.config.protocol.labels == "shuffled"
    control = [(cell.variant, cell.seed, cell.subject) for cell in found.cells[len(plain.cells) :]]
    assert control[:4] == [("repeat (control)", seed, subject) for seed in (2, 3) for subject in ("s1", "s2")]
    assert control[4:] == [(shuffled.name, seed, subject) for seed in (0, 1) for subject in ("s1", "s2")]
    assert len(keys(found)) == len(found.cells) == len(plain.cells) + 8
    # More seeds find the repeat's cells again.
    assert keys(found) - {cell.key for cell in found.cells if cell.variant == shuffled.name} <= keys(
        plan(tmp_path, SWEEP.replace("seeds: 2", "seeds: 4"))
    )


def test_names_do_not_enter_keys(tmp_path: Path) -> None:
    renamed = SWEEP.replace("texture:", "pixels:").replace("texture=off", "pixels=without")
    renamed = renamed.replace("pixels: {on: [], off:", "pixels: {with: [], without:").replace("name: plan", "name: b")
    found = plan(tmp_path, renamed)
    assert [variant.name for variant in found.variants] == ["reference", "depth=off", "pixels=without"]
    assert [cell.key for cell in found.cells] == [cell.key for cell in plan(tmp_path).cells]


def test_spelling_does_not_enter_keys(tmp_path: Path) -> None:
    one = plan(tmp_path, SWEEP, "loss.alpha=1", "model.streams.au=off", "loss.beta=0.0")
    same = plan(tmp_path, SWEEP, "loss.beta=-0.0", "model.streams.au=False", "loss.alpha=5", "loss.alpha=1.0")
    assert keys(one) == keys(same)


@pytest.mark.parametrize("override", ["loss.alpha=0.5", "train.epochs=8", "model.dropout=0.3", "train.mirror=true"])
def test_settings_enter_keys(tmp_path: Path, override: str) -> None:
    assert not keys(plan(tmp_path)) & keys(plan(tmp_path, SWEEP, override))


def test_data_and_code_enter_keys(tmp_path: Path) -> None:
    other_data = SimpleNamespace(**{**vars(ALL), "fingerprint": "e" * 64})
    assert not keys(plan(tmp_path)) & keys(plan(tmp_path, about=other_data))
    assert not keys(plan(tmp_path)) & keys(plan(tmp_path, code="0" * 64))


def test_more_seeds_keep_the_cells_of_the_first(tmp_path: Path) -> None:
    assert keys(plan(tmp_path)) < keys(plan(tmp_path, SWEEP.replace("seeds: 2", "seeds: 3")))


def test_two_paths_to_one_meaning_are_one_variant(tmp_path: Path) -> None:
    factors = """\
      focal: {two: [loss.focal_lambda=2], none: [loss.focal_lambda=0], off: [loss.focal_lambda=0.0]}
      batch: {same: [], as_before: [train.batch_size=33], large: [train.batch_size=32]}
"""
    start, end = SWEEP.index("      texture"), SWEEP.index("    exclude")
    text = SWEEP[:start] + factors + SWEEP[end:].replace("    exclude: [texture=off depth=off]\n", "")
    found = plan(tmp_path, text.replace("factorial", "one_factor_at_a_time"))
    assert [variant.name for variant in found.variants] == ["reference", "focal=none", "batch=large"]
    assert [variant.aliases for variant in found.variants] == [("batch=as_before",), ("focal=off",), ()]


def test_missing_stream_of_the_reference(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        plan(tmp_path, about=facts("texture"))
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path}/sweep.yaml:4: metadata.sweep.base: synthetic has no depth stream; it has texture: "
        "set model.streams.depth=false",
        f"{tmp_path}/sweep.yaml:4: metadata.sweep.base: synthetic has no au stream; it has texture: "
        "set model.streams.au=false",
    ]


def test_missing_stream_of_a_level(tmp_path: Path) -> None:
    text = SWEEP.replace(
        "depth: {on: [], off: [model.streams.depth=false]}", "au: {no: [], yes: [model.streams.au=true]}"
    )
    text = text.replace("madv_tiny]", "madv_tiny, model.streams.au=false]").replace(
        "texture=off depth=off", "au=yes texture=off"
    )
    with pytest.raises(SpecError) as caught:
        plan(tmp_path, text, about=facts("texture", "depth"))
    assert [str(problem) for problem in caught.value.problems] == [
        f"{tmp_path}/sweep.yaml:8: metadata.sweep.factors.au: variant 'au=on': synthetic has no au stream; "
        "it has texture and depth: set model.streams.au=false"
    ]


OF_DATA = SWEEP.replace(
    "depth: {on: [], off: [model.streams.depth=false]}",
    "frames: {8: [], 16: [dataset.frames=16], 9: [dataset.frames=9]}",
).replace("    exclude: [texture=off depth=off]\n", "")


def test_settings_of_the_data_are_factors(tmp_path: Path) -> None:
    def about(dataset: Any) -> Any:
        return SimpleNamespace(**{**vars(ALL), "fingerprint": f"{dataset.frames}"})

    found = plan(tmp_path, OF_DATA.replace("factorial", "one_factor_at_a_time"), about=about)
    assert [variant.name for variant in found.variants] == ["reference", "texture=off", "frames=16", "frames=9"]
    assert len(keys(found)) == 4 * 2 * 2


def test_variants_are_compared_on_the_same_clips(tmp_path: Path) -> None:
    def about(dataset: Any) -> Any:
        frames = f"{dataset.frames}"
        return SimpleNamespace(**{**vars(ALL), "fingerprint": frames, "clips": frames})

    with pytest.raises(SpecError, match=r"factors.frames: variant 'frames=16': its clips are not the reference's"):
        plan(tmp_path, OF_DATA, about=about)


PROTOCOLS = """\
cluster_name: protocols
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny]
    design: one_factor_at_a_time
    factors:
      protocol:
        loso: []
        copies: [protocol.copies=2]
        clips: [protocol.split=clips]
        best: [protocol.epoch=best_on_test]
    protocol: {optimistic: true}
"""


def test_a_protocol_is_a_level_and_leave_one_subject_out_keeps_its_keys(tmp_path: Path) -> None:
    found = plan(tmp_path, PROTOCOLS)
    assert [variant.name for variant in found.variants][1:] == ["protocol=copies", "protocol=clips", "protocol=best"]
    assert len(keys(found)) == 4 * 2
    assert {cell.key for cell in found.cells if cell.variant == "reference"} == {
        cell.key for cell in plan(tmp_path).cells if cell.variant == "reference" and cell.seed == 0
    }
    assert "protocol" not in found.variants[0].config.meaning()


def test_what_flatters_the_score_must_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        plan(tmp_path, PROTOCOLS.replace("optimistic: true", "optimistic: false"))
    (problem,) = [str(problem) for problem in caught.value.problems]
    assert problem.startswith(f"{tmp_path}/sweep.yaml:7: metadata.sweep.factors.protocol: variant 'protocol=clips': ")
    assert "write metadata.sweep.protocol.optimistic: true" in problem
