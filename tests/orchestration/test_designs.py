"""Designs, worked by hand and against the definition of a fraction's resolution."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madv.errors import SpecError
from orchestration.designs import Design, aliases, combinations, generators, variant_name
from orchestration.spec import load_spec

FACTORS = {"a": {"x": (), "y": ("k=1",), "z": ("k=2",)}, "b": {"on": (), "off": ("m=0",)}}
TWO_LEVELS = {name: {"on": (), "off": (f"{name}=0",)} for name in "abcdef"}


def names(design: Design) -> list[str]:
    return [variant_name(levels, design.factors) for levels in combinations(design)]


def test_factorial_is_every_combination_less_the_excluded() -> None:
    design = Design(kind="factorial", factors=FACTORS, exclude=({"a": "z", "b": "off"},))
    assert names(design) == ["reference", "b=off", "a=y", "a=y b=off", "a=z"]


def test_one_factor_at_a_time_is_one_variant_a_level() -> None:
    assert names(Design(kind="one_factor_at_a_time", factors=FACTORS)) == ["reference", "a=y", "a=z", "b=off"]


def test_add_one_in_starts_from_the_last_levels() -> None:
    # With a at its first level only b is off; with b at its first level only a is at its last.
    assert names(Design(kind="add_one_in", factors=FACTORS)) == ["reference", "a=z b=off", "b=off", "a=z"]


def test_named_variants_keep_their_names() -> None:
    design = Design(kind="variants", factors={"variants": {"full": (), "plain": ("k=1",)}})
    assert names(design) == ["full", "plain"]


def test_a_nested_factor_exists_only_where_the_other_is_on() -> None:
    factors = {"depth": {"on": (), "off": ()}, "source": {"map": (), "zero": ()}, "scale": {"clip": (), "frame": ()}}
    when = {"source": {"depth": "on"}, "scale": {"source": "map"}}
    factorial = combinations(Design(kind="factorial", factors=factors, when=when))
    assert factorial == [
        {"depth": "on", "source": "map", "scale": "clip"},
        {"depth": "on", "source": "map", "scale": "frame"},
        {"depth": "on", "source": "zero"},
        {"depth": "off"},
    ]
    # Of a factor that the reference does not have, a variant comes with what the factor needs.
    when = {"source": {"depth": "off"}, "scale": {"source": "zero"}}
    found = combinations(Design(kind="one_factor_at_a_time", factors=factors, when=when))
    assert found[0] == {"depth": "on"}
    assert found[2:] == [
        {"depth": "off", "source": "zero", "scale": "clip"},
        {"depth": "off", "source": "zero", "scale": "frame"},
    ]


def test_a_fraction_of_two_to_the_six_less_two() -> None:
    design = Design(kind="fractional_factorial", factors=TWO_LEVELS, resolution=4)
    found = combinations(design)
    assert len(found) == 16
    assert names(design)[0] == "reference"
    for factor, other in itertools.combinations(TWO_LEVELS, 2):  # balanced, and any two factors orthogonal
        pairs = [(levels[factor], levels[other]) for levels in found]
        assert {pair: pairs.count(pair) for pair in pairs} == dict.fromkeys(
            itertools.product(("on", "off"), repeat=2), 4
        )
    # e = abc, f = abd: each two-factor interaction but those of the whole word meets another one.
    assert aliases(design) == [
        "a:b = c:e = d:f",
        "a:c = b:e",
        "a:d = b:f",
        "a:e = b:c",
        "a:f = b:d",
        "c:d = e:f",
        "c:f = d:e",
    ]


def test_resolution_three_mixes_main_effects_and_five_does_not_mix_pairs() -> None:
    three = dict(itertools.islice(TWO_LEVELS.items(), 3))
    assert aliases(Design(kind="fractional_factorial", factors=three, resolution=3)) == [
        "a = b:c",
        "b = a:c",
        "c = a:b",
    ]
    assert len(combinations(Design(kind="fractional_factorial", factors=three, resolution=3))) == 4
    five = dict(itertools.islice(TWO_LEVELS.items(), 5))
    assert aliases(Design(kind="fractional_factorial", factors=five, resolution=5)) == []
    assert len(combinations(Design(kind="fractional_factorial", factors=five, resolution=5))) == 16
    assert aliases(Design(kind="factorial", factors=five)) == []


@given(number=st.integers(1, 9), resolution=st.integers(3, 6))
def test_no_word_of_the_defining_relation_is_shorter_than_the_resolution(number: int, resolution: int) -> None:
    columns = generators(number, resolution)
    assert len(set(columns)) == len(columns) == number
    for length in range(1, min(resolution, number + 1)):
        for word in itertools.combinations(columns, length):
            total = 0
            for column in word:
                total ^= column
            assert total != 0


HEAD = "cluster_name: a\nmetadata:\n  sweep:\n    base: [dataset=synthetic, model=madv_tiny, train=demo]\n"


def load(folder: Path, rest: str) -> Design:
    path = folder / "sweep.yaml"
    path.write_text(HEAD + "".join(f"    {line}\n" for line in rest.splitlines()))
    return load_spec(path).design


def test_a_file_of_each_kind(tmp_path: Path) -> None:
    lists = "design: variants\nvariants: {full: [], late: [train.epochs=9]}"
    assert names(load(tmp_path, lists)) == ["full", "late"]
    nested = """design: factorial
factors:
  depth: {on: [], off: [model.streams.depth=false]}
  source: {when: depth=on, rendered: [], zero: [dataset.depth=zero]}"""
    assert names(load(tmp_path, nested)) == ["reference", "source=zero", "depth=off"]
    fraction = """design: fractional_factorial
resolution: 3
factors:
  texture: {on: [], off: [model.streams.texture=false]}
  depth: {on: [], off: [model.streams.depth=false]}
  epochs: {few: [], many: [train.epochs=9]}"""
    assert names(load(tmp_path, fraction)) == [
        "reference",
        "texture=off epochs=many",
        "depth=off epochs=many",
        "texture=off depth=off",
    ]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("design: variants", "variants: is missing; design variants names its variants, such as"),
        ("design: variants\nvariants: {full: []}", "variants: compares at least two variants, the reference first"),
        (
            "design: variants\nvariants: {full: [], late: [train.epochs=9]}\nfactors: {a: {x: [], y: []}}",
            "factors: has no place in design variants; leave it out",
        ),
        (
            "design: factorial\nfactors: {a: {x: [], y: []}}\nvariants: {full: []}",
            "variants: belongs to design variants, not factorial",
        ),
        (
            "design: factorial\nfactors: {a: {x: [], y: []}}\nresolution: 4",
            "resolution: belongs to design fractional_factorial, not factorial",
        ),
        (
            "design: fractional_factorial\nfactors: {a: {x: [], y: []}}\nresolution: 2",
            "resolution: must be 3 (main effects clear of each other), 4",
        ),
        (
            "design: fractional_factorial\nfactors: {a: {x: [], y: [], z: []}}",
            "factors.a: a fraction's factors have two levels, not 3",
        ),
        (
            "design: fractional_factorial\nfactors: {a: {x: [], y: []}, b: {when: a=x, p: [], q: []}}",
            "factors.b.when: a fraction has no nested factors; use design factorial",
        ),
        (
            'design: fractional_factorial\nfactors: {a: {x: [], y: []}}\nexclude: ["a=y"]',
            "exclude: would unbalance a fraction; use design factorial",
        ),
        (
            "design: factorial\nfactors: {b: {when: a=x, p: [], q: []}, a: {x: [], y: []}}",
            "factors.b.when: unknown factor above it 'a'",
        ),
    ],
)
def test_what_does_not_hold(tmp_path: Path, rest: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, rest)
    assert any(f"metadata.sweep.{message}" in str(problem) for problem in caught.value.problems), caught.value
