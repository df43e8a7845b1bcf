"""The page of single clips: numbers worked by hand, every text escaped, what is lacking said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboards.clips_page import Attention, Look, numbers, weight_rows, write_clips
from dashboards.contact_sheet import Contact

EVIL = "<script>alert(1)</script>"


def look(name: str = "clip1", **changes: object) -> Look:
    """Two frames of 4 x 4, one stream of pictures with a 1 x 2 x 2 grid."""
    contact = Contact(
        title=name,
        facts=(f"class {EVIL}",),
        frames=("1 onset", "2 apex"),
        places=(0, 1),
        texture=np.full((2, 4, 4, 3), 0.5, np.float32),
        difference=np.zeros((2, 4, 4), np.float32),
        depth=None,
        regions=(),
        units=(),
    )
    seen = Attention(
        stream="texture",
        level="high",
        over_frames=np.array([0.25, 0.75], np.float32),
        maps=np.array([[[0, 1], [1, 2]], [[1, 1], [1, 1]]], np.float32),
        regions={"AU1": 0.5},
    )
    fields: dict[str, object] = {
        "sample_id": name,
        "contact": contact,
        "class_names": ("joy", EVIL),
        "truth": 0,
        "probabilities": (0.25, 0.75),
        "attention": (seen,),
        "weights": {("low", "texture"): 0.3, ("low", "depth"): 0.7},
        "lacking": ("There is no depth.",),
    }
    return Look(**(fields | changes))  # type: ignore[arg-type]


def test_numbers_are_those_that_are_drawn() -> None:
    table = numbers([look()])
    rows = table.fillna("").to_dict("records")
    assert [(row["what"], row["stream"], row["level"], row["place"], row["value"]) for row in rows] == [
        ("probability", "", "", "joy", 0.25),
        ("probability", "", "", EVIL, 0.75),
        ("stream weight", "texture", "low", "", 0.3),
        ("stream weight", "depth", "low", "", 0.7),
        ("attention by frame", "texture", "high", "1", 0.25),
        ("attention by frame", "texture", "high", "2", 0.75),
        ("attention by region", "texture", "high", "AU1", 0.5),
    ]
    assert weight_rows(look()) == (["texture", "depth"], [("low", ["0.30", "0.70"])])


def test_what_is_said_of_a_clip() -> None:
    assert look().said == f"joy, taken for {EVIL} (75%)"
    assert look(truth=1).said == f"{EVIL}, recognised (75%)"


@pytest.mark.parametrize("name", ["clip1", EVIL])
def test_the_page_shows_text_as_text(tmp_path: Path, name: str) -> None:
    page = write_clips([look(name)], {"title": EVIL, "about": EVIL}, tmp_path).read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 5
    assert "There is no depth." in page
    assert page.count("<img ") == page.count(" alt=") == 4  # where, when, frames, difference
    assert len(pd.read_csv(tmp_path / "clips.csv")) == 7


def test_orange_is_where_attention_is_above_even(tmp_path: Path) -> None:
    from dashboards.clips_page import _laid_over

    one = look()
    maps = one.attention[0].maps
    assert maps is not None
    laid = _laid_over(one.contact.texture, maps)
    assert np.allclose(laid[1], 0.5) and np.allclose(laid[0, :2], 0.5) and np.allclose(laid[0, 2:, :2], 0.5)
    assert (laid[0, 2:, 2:, 0] > laid[0, 2:, 2:, 2]).all()
