"""Sweep files that PyYAML itself trips over end in a sentence with the file's name."""

import time
from pathlib import Path

import pytest

from madv.errors import SpecError
from orchestration.yaml_places import read_document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!int ''", "'' is no valid int"),
        ("a: !!bool x", "'x' is no valid bool"),
        ("a: !!timestamp x", "'x' is no valid timestamp"),
    ],
)
def test_a_tag_on_what_is_none_is_a_problem_of_its_line(tmp_path: Path, text: str, message: str) -> None:
    """Not an IndexError, a KeyError or an AttributeError."""
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    assert [problem.message for problem in read_document(path).problems] == [message]


def test_an_escape_beyond_unicode_is_not_yaml(tmp_path: Path) -> None:
    """Not an OverflowError."""
    path = tmp_path / "x.yaml"
    path.write_text(r'a: "\UFFFFFFFF"', encoding="utf-8")
    with pytest.raises(SpecError, match="an escape names no character"):
        read_document(path)


@pytest.mark.parametrize("text", ["a: " + "[" * 200_000, "a: " + "{b: " * 100_000, "- " * 100_000])
def test_depth_without_end_is_refused_at_the_fiftieth_level(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(SpecError, match=r"deep.yaml:1: too large or nested too deeply for a sweep file$"):
        read_document(path)
    assert time.process_time() - began < 2
