"""An ablation whose every variant is searched: the same budget and draws, over what each reads, nested."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_search import drive, searches

from madv.errors import SpecError
from orchestration.cells import CellStore
from orchestration.search_nested import chosen, outer_plan
from orchestration.search_plan import Search
from orchestration.search_space import decode
from orchestration.search_study import open_study, resume

DESIGN = """design: one_factor_at_a_time
    factors:
      au: {on: [], off: [model.streams.au=false]}
      levels: {three: [], two: [model.levels=2]}"""
SPACE = """\
        levels: {simplex: [loss.alpha, loss.beta, loss.gamma]}
        loss.w_au: {low: 0.1, high: 10, log: true}
        loss.focal_mu: {low: 0, high: 1.5}
"""


def arms(folder: Path, options: str = "nested: 2", space: str = SPACE, design: str = DESIGN) -> tuple[Search, ...]:
    return searches(folder, 4, 3, options, space, design=design)


def settings(search: Search) -> list[str]:
    return [name for dimension in search.spec.space for name in dimension.settings]


def test_each_variant_is_searched_over_what_it_reads(tmp_path: Path) -> None:
    found = arms(tmp_path)
    assert [search.label for search in found] == [
        f"{arm}, group {group}" for arm in ("reference", "au=off", "levels=two") for group in (1, 2)
    ]
    everything = ["loss.alpha", "loss.beta", "loss.gamma", "loss.w_au", "loss.focal_mu"]
    assert settings(found[0]) == everything
    assert settings(found[2]) == [name for name in everything if name != "loss.w_au"]
    assert settings(found[4]) == [name for name in everything if name != "loss.gamma"]


def test_a_setting_that_only_another_choice_reads_stays(tmp_path: Path) -> None:
    space = "        loss.w_freq: [0, 1]\n        levels: {simplex: [loss.alpha, loss.beta, loss.gamma]}\n"
    found = searches(tmp_path, 4, 3, "nested: 2", space, "loss.w_freq=0", design=DESIGN)
    assert settings(found[0]) == ["loss.w_freq", "loss.alpha", "loss.beta", "loss.gamma"]


def test_known_points_keep_the_shares_that_are_left(tmp_path: Path) -> None:
    points = ", ".join(
        f"{{loss.alpha: {alpha}, loss.beta: {beta}, loss.gamma: {gamma}, loss.w_au: {weight}}}"
        for alpha, beta, gamma, weight in ((0.5, 0.25, 0.25, 2), (0, 0, 1, 3))
    )
    found = arms(tmp_path, f"nested: 2\n      enqueue: [{points}]")
    decoded = [
        [
            decode([one for one in search.spec.space if one.key in {name.partition("[")[0] for name in point}], point)
            for point in search.spec.enqueue
        ]
        for search in found[0::2]
    ]
    three = {"loss.alpha": pytest.approx(0.5), "loss.beta": pytest.approx(0.25), "loss.gamma": pytest.approx(0.25)}
    last = {"loss.alpha": pytest.approx(0), "loss.beta": pytest.approx(0), "loss.gamma": pytest.approx(1)}
    assert decoded[0] == [three | {"loss.w_au": 2}, last | {"loss.w_au": 3}]
    assert decoded[1] == [three, last]
    # Of 0.5 : 0.25 two thirds and one; of nothing, no shares.
    two = {"loss.alpha": pytest.approx(2 / 3), "loss.beta": pytest.approx(1 / 3), "loss.w_au": 2}
    assert decoded[2] == [two, {"loss.w_au": 3}]


def test_budget_groups_order_and_draws_are_the_same_for_all(tmp_path: Path) -> None:
    found = arms(tmp_path, "nested: 2\n      enqueue: [{loss.w_au: 1, loss.focal_mu: 1}, {loss.w_au: 2}]")
    first, second = found[0::2], found[1::2]
    for group in (first, second):
        assert len({search.held_out for search in group}) == 1
        assert len({search.order for search in group}) == 1
        assert len({search.draws for search in group}) == 1
        assert {search.spec.trials for search in group} == {3}
        assert len({search.digest for search in group}) == len({search.study for search in group}) == 3
    assert first[0].draws != second[0].draws
    assert [dict(point) for point in found[0].spec.enqueue] == [
        {"loss.w_au": 1.0, "loss.focal_mu": 1.0},
        {"loss.w_au": 2.0},
    ]
    assert [dict(point) for point in found[2].spec.enqueue] == [{"loss.focal_mu": 1.0}]  # without the weight
    # Samplers of equal spaces draw the same, whatever the variant is.
    design = DESIGN.replace("levels: {three: [], two: [model.levels=2]}", "stop: {early: [], late: [train.epochs=3]}")
    found = arms(tmp_path, "nested: 2\n      sampler: random", "        loss.focal_mu: {low: 0, high: 1.5}\n", design)
    drawn = {}
    for search in found:
        study = open_study(search)
        assert study is not None
        drawn[search.label] = study.ask().suggest_float("loss.focal_mu", 0, 1.5)
    assert drawn["reference, group 1"] == drawn["au=off, group 1"] == drawn["stop=late, group 1"]
    assert drawn["reference, group 1"] != drawn["reference, group 2"]


def test_a_variant_is_scored_once_all_its_groups_have_chosen(tmp_path: Path) -> None:
    found = arms(tmp_path)
    store = CellStore(tmp_path / "store")
    for number, search in enumerate(found):
        study = open_study(search)
        assert study is not None
        drive(search, study, store, resume(study, search))
        plan = outer_plan(found)
        ready = (number + 1) // 2
        assert (0 if plan is None else len(plan.cells)) == 4 * ready  # four subjects, each once
    plan = outer_plan(found)
    assert plan is not None
    for search in found:
        folds = [cell for cell in plan.cells if cell.variant == search.label]
        assert sorted(cell.subject for cell in folds) == sorted(search.held_out)
        assert all(not cell.without for cell in folds)
        config = chosen(found)[search.label].variant.config
        assert config.model.streams.au is (search.arm != "au=off")
        assert config.model.levels == (2 if search.arm == "levels=two" else 3)


@pytest.mark.parametrize(
    ("options", "space", "design", "message"),
    [
        ("", SPACE, DESIGN, "search.nested: is missing: variants that are searched are compared on subjects that"),
        ("nested: 2\n      frozen: 3", SPACE, DESIGN, "search.frozen: must be true or false, not 3"),
        ("nested: 2", SPACE, DESIGN + "\n    controls: [repeat]", "controls: judge variants as they are typed"),
        (
            "nested: 2\n      objectives: [uf1, seconds]",
            SPACE,
            DESIGN,
            "search.objectives: variants are compared by what one objective chose; name one",
        ),
        (
            "nested: 2",
            SPACE + "        model.streams.au: [true, false]\n",
            DESIGN,
            "model.streams.au is set by au, which is compared; leave it out of the space",
        ),
        (
            "nested: 2",
            "        loss.w_au: {low: 0.1, high: 10, log: true}\n",
            DESIGN,
            "metadata.sweep.factors.au: variant 'au=off': reads none of the space's settings",
        ),
        (
            "nested: 2",
            SPACE,
            DESIGN.replace("levels: {three: [], two: [model.levels=2]}", "split: {a: [], b: [protocol.split=clips]}"),
            "variant 'split=b': scores subjects that it trains on",
        ),
        ("nested: 2\n      frozen: true", SPACE, "design: search", "search.frozen: asks for an ablation's variants"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, options: str, space: str, design: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        arms(tmp_path, options, space, design)
    assert message in str(caught.value)
