"""The fingerprint of the training code follows what the code does, not how it is written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from madv.compose import compose
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
        return code.code_fingerprint(code.COMMON)
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
    assert {"model/network.py", "train.py", "losses.py", "data/clips.py"} <= code._sources(code.COMMON).keys()


def test_every_module_that_training_imports_is_covered() -> None:
    """What madv.train loads of our own code is fingerprinted, or holds settings and facts that enter keys elsewhere."""
    program = "import sys, madv.train, madv.pretrain; print(*(m for m in sys.modules if m.startswith('madv.')))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    covered = code._sources(code.COMMON + code.METHODS + code.PRETRAINING)
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in covered}
    rest = {name.removeprefix("madv.") for name in loaded} - names
    settings = {name for name in rest if name.startswith("config")}
    assert rest - settings == {"data", "data.action_units", "errors", "fold_result", "hub"}


def test_a_method_has_its_own_code() -> None:
    codes = [code.training_code(compose(list(overrides))) for overrides in ((), ("method=c3d",), ("loss.alpha=0",))]
    assert codes[0] == codes[2] != codes[1]
