"""Action units as coders write them: the grammar by hand, laws by chance, and every cell of the real files."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_files import real_file

from madv.data.annotations.kinds import read
from madv.data.facs import Unit, intensity_vector, parse


def _texts(cell):
    return [str(unit) for unit in parse(cell).units]


@pytest.mark.parametrize(
    ("cell", "units", "rest"),
    [
        ("4+7+L10", ["4", "7", "L10"], ""),
        (12, ["12"], ""),
        (12.0, ["12"], ""),
        (None, [], ""),
        (float("nan"), [], ""),
        ("NULL", [], ""),
        ("?", [], "?"),
        ("R12A", ["R12A"], ""),
        ("l12c, au4", ["L12C", "4"], ""),
        ("A/L12", ["A/L12?"], ""),
        ("10A/B", ["10A?"], ""),
        ("A1B+A2C", ["A1B", "A2C"], ""),
        ("B18+25", ["B18", "25"], ""),
        ("T18+39", ["T18", "39"], ""),
        ("ref(7B)+43C", ["7B?", "43C"], ""),
        ("7B+ ref(43)", ["7B", "43?"], ""),
        ("ref(L10)+A12B", ["L10?", "A12B"], ""),
        ("(R6 or R12) + R15", ["R6?", "R12?", "R15"], ""),
        ("(4+7) or 9, 12", ["4?", "7?", "9?", "12"], ""),
        ("R14A or 17A or 24A", ["R14A?", "17A?", "24A?"], ""),
        ("12A/14", ["12A?", "14?"], ""),
        ("L12?+4", ["L12?", "4"], ""),
        ("R14+17+soft focus", ["R14", "17"], "soft focus"),
        ("L12 + 61 ", ["L12", "61"], ""),
        ("4)+123+0", ["4"], ") 123 0"),
    ],
)
def test_the_grammar(cell, units, rest):
    assert (_texts(cell), parse(cell).rest) == (units, rest)


def test_a_side_a_part_and_a_doubt_are_told_apart():
    assert parse("A/L12B").units == (Unit(number=12, side="L", part="A", intensity="B", uncertain=True),)
    assert parse("10C/D").units == (Unit(number=10, intensity="C", uncertain=True),)


sided = st.builds(
    Unit,
    number=st.integers(1, 99),
    side=st.sampled_from(["L", "R", None]),
    intensity=st.sampled_from([*"ABCDE", None]),
    uncertain=st.booleans(),
)
parted = st.builds(
    Unit,
    number=st.integers(1, 99),
    side=st.sampled_from(["L", "R", None]),
    part=st.sampled_from("ABT"),
    intensity=st.sampled_from([*"ABCDE", None]),
    uncertain=st.just(True),
)


@given(st.lists(sided | parted))
def test_what_is_written_is_read_again(units):
    parsed = parse(" + ".join(map(str, units)))
    assert parsed.units == tuple(units)
    assert parsed.rest == ""


@given(st.text() | st.text(alphabet="LRATBEabc/+,?()0123456789 orefu"))
def test_no_text_stops_it(text):
    for unit in parse(text).units:
        assert 1 <= unit.number <= 99


def test_deep_parentheses_do_not_stop_it():
    assert _texts("(" * 20_000 + "4" + ")" * 20_000) == ["4"]


def test_intensities_by_hand():
    units = parse("L1A + R1C + 4 + ref(12E)").units
    assert intensity_vector(units, ["AU1", "AU2", "AU4", "AU12"]).tolist() == [3, 0, 2, 5]
    assert intensity_vector(units, ["AU4", "AU12"], unmarked=1, uncertain=0.5).tolist() == [1, 2.5]
    assert intensity_vector((), ["AU1"]).tolist() == [0]


@pytest.mark.parametrize(
    ("kind", "cells", "reported"),
    [
        ("casme2", 255, {42: "?", 45: "?", 50: "?", 186: "?", 246: "?"}),
        ("samm", 159, {135: "soft focus"}),
        ("casme_sq", 357, {}),
        ("smic", 0, {}),
    ],
)
def test_every_cell_of_the_real_files(kind, cells, reported):
    clips = [clip for clip in read(real_file(kind), kind).clips if clip.action_units is not None]
    parsed = {clip.row: parse(clip.action_units) for clip in clips}
    assert len(clips) == cells
    # Each number in a cell is a unit, in the order of the text.
    numbers = {clip.row: [int(number) for number in re.findall(r"\d+", clip.action_units)] for clip in clips}
    assert {row: [unit.number for unit in each.units] for row, each in parsed.items()} == numbers
    assert {row: each.rest for row, each in parsed.items() if each.rest} == reported
    # What is not read is in the notes of its row.
    assert {clip.row for clip in clips if any("is not read" in note for note in clip.notes)} == set(reported)
