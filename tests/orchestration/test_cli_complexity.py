"""`madv complexity`: shapes from the settings, tables, JSON, the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from madv.compose import compose
from orchestration.cli import main
from orchestration.cli_complexity import clip_shapes

BASE = ["model=madv_tiny", "model.streams.depth=false", "model.streams.au=false"]


@pytest.mark.parametrize(
    ("overrides", "shapes", "num_classes"),
    [
        ([], {"texture": (3, 8, 32, 32), "depth": (1, 8, 32, 32), "au": (14, 8)}, 3),
        (["dataset=megc2019"], {"texture": (3, 1, 28, 28)}, 3),
        (["dataset=casme2"], {"texture": (3, 16, 112, 112), "au": (16, 16)}, 5),
        (
            ["dataset=samm", "dataset.classes=8", "dataset.depth.source=zero", "dataset.au.source=openface"],
            {"texture": (3, 16, 112, 112), "depth": (1, 16, 112, 112), "au": (17, 16)},
            8,
        ),
        (["dataset=smic", "dataset.clip.frames=8", "method=c3d"], {"texture": (3, 8, 112, 112)}, 3),
    ],
)
def test_shapes_come_from_the_settings(
    overrides: list[str], shapes: dict[str, tuple[int, ...]], num_classes: int
) -> None:
    assert clip_shapes(compose(overrides)) == (shapes, num_classes)


def test_a_given_shape_has_every_stream() -> None:
    shapes, _ = clip_shapes(compose(["dataset=megc2019"]), (4, 28, 56))
    assert shapes == {"texture": (3, 4, 28, 56), "depth": (1, 4, 28, 56), "au": (14, 4)}


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complexity", *BASE, "--shape", "4x32x32"]) == 0
    printed = capsys.readouterr().out
    assert "MADV-Net at texture 3x4x32x32" in printed
    for text in (
        "streams.texture.tokens",
        "module",
        "total",
        "Eq. 25",
        "texture.levels.1",
        "latency",
        "1 clip at a time",
    ):
        assert text in printed


def test_json_and_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    arguments = ["complexity", *BASE, "--shape", "2x32x32", "--depth", "1", "--format", "json", "--out", str(out)]
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in printed["modules"]} == {"streams", "heads", "attention_mlp", "classifier"}
    assert sum(row["macs"] for row in printed["modules"]) == printed["macs"]
    assert sum(row["parameters"] for row in printed["modules"]) == printed["parameters"]
    written = json.loads((out / "complexity.json").read_text(encoding="utf-8"))
    assert written["growth"] and written["macs"] == printed["macs"]
    assert "macs-frames" in (out / "complexity.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("option", "value"), [("--shape", "16x112"), ("--shape", "0x8x8"), ("--batch", "0")])
def test_bad_options_are_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["complexity", option, value])
    assert stopped.value.code == 2
    assert repr(value) in capsys.readouterr().err


def test_a_stream_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complexity", "model=madv_tiny", "dataset=megc2019"]) == 2
    assert (
        "model.streams.depth: the clips have no depth stream, only texture: set it to false" in capsys.readouterr().err
    )
