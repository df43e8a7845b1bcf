"""The fingerprint of the training code follows what the code does, not how it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from madv.syntax import syntax
from orchestration import code

SOURCE = '''\
"""A module."""


class Network:
    """A network."""

    width: int = 3
    """Channels."""

    def forward(self, x):  # (B, C)
        """Forward."""
        return x * 2 + 1
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', "# no docstring"),
        ('    """A network."""\n', ""),
        ('    """Channels."""\n', '    """Channels of each level."""\n'),
        ("  # (B, C)", ""),
        ("x * 2 + 1", "(x * 2) + 1"),
        ("\n\n\n", "\n\n\n\n"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert syntax(SOURCE.replace(old, new)) == syntax(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"), [("x * 2", "x * 3"), ("width: int = 3", "width: int = 4"), ("x * 2 + 1", "x * (2 + 1)")]
)
def test_expressions_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert syntax(SOURCE.replace(old, new)) != syntax(SOURCE)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "network.py").write_text(SOURCE)
    (tmp_path / "train.py").write_text("epochs = 3\n")
    monkeypatch.setattr(code, "files", lambda name: tmp_path)
    return tmp_path


def fingerprint() -> str:
    code.code_fingerprint.cache_clear()
    try:
        return code.code_fingerprint()
    finally:
        code.code_fingerprint.cache_clear()


def test_fingerprint_covers_the_files_that_train(package: Path) -> None:
    before = fingerprint()
    (package / "model" / "network.py").write_text(SOURCE.replace("A network", "The network"))
    (package / "config.py").write_text("not_training_code = 1\n")
    assert fingerprint() == before
    (package / "model" / "network.py").write_text(SOURCE.replace("x * 2", "x * 3"))
    changed = fingerprint()
    assert changed != before
    (package / "losses.py").write_text("alpha = 1\n")
    assert fingerprint() not in (before, changed)


def test_fingerprint_of_this_code() -> None:
    assert len(fingerprint()) == 64
    assert {"model/network.py", "train.py", "losses.py", "data/clips.py"} <= code._sources().keys()
