"""The sweep files that come with the program: each composes, fits its data, and compares what differs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from madv.config_data import DatasetConfig
from madv.config_synthetic import SyntheticConfig
from madv.data.content import fingerprint
from madv.data.dataset_facts import DatasetFacts
from madv.data.identity import recording_identity
from madv.data.synthetic import _manifest, make_design
from madv.data.synthetic_sources import unit_names
from orchestration.plan import Facts, expand
from orchestration.search_plan import lay_out_searches
from orchestration.spec import load_spec

SWEEPS = Path(__file__).parents[2] / "sweeps"
FILES = sorted(
    file.name for file in SWEEPS.glob("*.yaml") if any(word in file.name for word in ("ablate", "compare", "fraction"))
)
SAME = {
    "ablate_design.yaml": ["au_source=none"],
    "ablate_design_tiny.yaml": ["au_source=none"],
}
"""Levels that are another's under a second name: no action units as a source, and as a stream."""


def described(config: DatasetConfig) -> DatasetFacts:
    """What the cache would say, with nothing rendered and nothing read: shapes, clips, and settings for content."""
    common: dict[str, Any] = {"kind": config.kind, "clips_per_class": (), "facts": {}}
    if not isinstance(config, SyntheticConfig):
        return DatasetFacts(
            fingerprint="flow",
            class_names=("negative", "positive", "surprise"),
            clips_per_subject={f"s{number}": 6 for number in range(68)},
            clips="flow",
            recordings=("flow",),
            streams={"texture": (3, 1, 28, 28)},
            has_au_targets=False,
            au_names=(),
            **common,
        )
    design = make_design(config)
    manifest = _manifest(config, design)
    subjects, counts = np.unique(manifest["subject"], return_counts=True)
    size = (config.frames, config.size, config.size)
    return DatasetFacts(
        fingerprint=f"{config}",
        class_names=config.classes,
        clips_per_subject=dict(zip(subjects.tolist(), counts.tolist(), strict=True)),
        clips=fingerprint(manifest, config.classes, {}, None),
        recordings=tuple(sorted(recording_identity(manifest).tolist())),
        streams={"texture": (3, *size), "depth": (1, *size), "au": (len(unit_names(config)), config.frames)},
        has_au_targets=True,
        au_names=unit_names(config),
        **common,
    )


@pytest.mark.parametrize("name", FILES)
def test_a_sweep_file_compares_what_differs_and_fits(name: str) -> None:
    spec = load_spec(SWEEPS / name)
    plan = expand(spec, described, lambda config: "code")
    reference = plan.variants[0]
    for factor, levels in spec.design.factors.items():
        assert reference.levels[factor] == next(iter(levels))
    aliases = [alias for variant in plan.variants for alias in variant.aliases]
    if spec.design.kind == "one_factor_at_a_time":
        assert aliases == SAME.get(name, [])
        levels = sum(len(levels) for levels in spec.design.factors.values())
        assert len(plan.variants) + len(aliases) == levels - len(spec.design.factors) + 1
    keys = [cell.key for cell in plan.cells if cell.variant in {variant.name for variant in plan.variants}]
    assert len(keys) == len(set(keys))


def test_a_search_file_starts_from_the_weights_of_the_others_and_each_variant_loses_what_it_does_not_read() -> None:
    def code(_: object) -> str:
        return "code"

    found = {}
    for name in ("search_weights", "ablate_streams_retuned"):
        facts_of = Facts(described)
        plan = expand(load_spec(SWEEPS / f"{name}.yaml"), facts_of, code)
        searches = lay_out_searches(plan, facts_of, code)
        found[name] = {search.arm: [s for d in search.spec.space for s in d.settings] for search in searches}
        for search in searches:
            params = search.spec.enqueue[0]
            started, plain = search.candidate(params, "").variant.config.loss, search.plan.variants[0].config.loss
            for setting in found[name][search.arm]:
                key = setting.removeprefix("loss.")
                assert getattr(started, key) == pytest.approx(getattr(plain, key), abs=1e-3), (name, search.arm, key)
            # Subjects that are scored choose nothing.
            assert not set(search.order) & set(search.held_out)
        assert sorted(who for one in searches if one.arm == searches[0].arm for who in one.held_out) == sorted(
            plan.facts.subjects
        )
    every = found["ablate_streams_retuned"]
    assert "loss.w_au" in every["texture=off"] and "loss.w_au" not in every["au=off"]
    assert set(every["reference"]) - set(every["au=off"]) == {"loss.w_au"}
    assert len(found["search_weights"][""]) == 8


def test_both_design_sweeps_ask_the_same() -> None:
    tiny, base = (load_spec(SWEEPS / f"ablate_design{suffix}.yaml").design.factors for suffix in ("_tiny", ""))
    assert set(base) - set(tiny) == {"precision"}  # which does nothing on a CPU
    sized = {"frames", "size", "epochs", "capacity", "au_tokens"}
    for factor in set(tiny) - sized:
        assert list(tiny[factor]) == list(base[factor]), factor
