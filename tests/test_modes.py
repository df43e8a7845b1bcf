"""Whose files are: what a sweep leaves is its user's alone or a named group's, and its report is for showing."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from madv import modes
from madv.errors import SpecError
from orchestration.spec import load_spec
from orchestration.store_group import keep_store

SWEEP = """
cluster_name: whose
metadata:
  sweep:
    base: [dataset=synthetic, dataset.subjects=2, "dataset.clips_per_class=[2,2,2]", dataset.frames=4, train.epochs=1,
           dataset.size=16, model=madv_tiny, "model.tokenizer.stride=[2,2,2]"]
    design: variants
    variants: {whole: [], plain: [model.fusion=concatenated]}
    report: {keep_checkpoints: all}
"""


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """The process's own mask comes back, and no group stays."""
    before = os.umask(0o022)
    yield
    modes.keep(None)
    os.umask(before)


def other_group() -> str:
    """One that is not this process's first; every root user has some."""
    mine = [one for one in os.getgroups() if one != os.getegid()]
    found = mine or ([one.gr_gid for one in grp.getgrall() if one.gr_gid != os.getegid()] if os.geteuid() == 0 else [])
    if not found:
        pytest.skip("the user is in one group only")
    return grp.getgrgid(found[0]).gr_name


def sweep(folder: Path, command: str = "sweep", extra: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command on the sweep in a folder, under the usual mask."""
    (folder / "whose.yaml").write_text(SWEEP + extra)
    kept = {name: text for name, text in os.environ.items() if name not in ("RAY_ADDRESS", "MADV_CACHE")}
    kept.pop("MLFLOW_TRACKING_URI", None)
    command_line = [sys.executable, "-m", "orchestration.cli", command, "whose.yaml"]
    return subprocess.run(command_line, cwd=folder, env=kept, capture_output=True, text=True, timeout=240)


def found(*roots: Path) -> dict[str, tuple[int, str]]:
    """(mode, group) of everything below the roots, and of these themselves, by path; MLflow's copy of the report has
    the report's modes, in a folder that nobody else enters."""
    paths = [path for root in roots for path in (root, *root.rglob("*")) if path.parent.name != "report"]
    stats = {str(path): path.stat() for path in paths}
    return {name: (stat.S_IMODE(one.st_mode), grp.getgrgid(one.st_gid).gr_name) for name, one in stats.items()}


def test_a_store_is_its_users_and_then_a_groups(tmp_path: Path) -> None:
    """One store, first without a group; the report is open at all times."""
    done = sweep(tmp_path)
    assert done.returncode == 0, done.stderr
    stores = [path for path in tmp_path.iterdir() if path.name not in ("reports", "whose.yaml")]
    own = found(*stores)
    for kind in ("cells/", "checkpoints/", "logs/", "clips/", "mlflow.db", "mlruns/"):
        assert any(kind in name for name in own), kind
    folders = {name for name in own if Path(name).is_dir()}
    assert {name: mode for name, (mode, _) in own.items() if mode != (0o700 if name in folders else 0o600)} == {}
    shown = found(tmp_path / "reports")
    assert len(shown) > 3
    assert {mode for name, (mode, _) in shown.items() if Path(name).is_dir()} == {0o755}
    assert {mode for name, (mode, _) in shown.items() if Path(name).is_file()} == {0o644}

    group = other_group()
    for name in ("mlflow.db", "mlruns"):
        (tmp_path / name).rename(tmp_path / f"old-{name}")
    next((tmp_path / "store" / "cells").iterdir()).unlink()
    done = sweep(tmp_path, extra=f"    store: {{group: {group}}}\n")
    assert done.returncode == 0, done.stderr
    given = found(*stores)
    folders = {name for name in given if Path(name).is_dir()}
    assert {name: mode for name, mode in given.items() if mode != (0o2770 if name in folders else 0o660, group)} == {}
    assert len(given) > len(own)


def test_a_group_that_cannot_be_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = sweep(tmp_path, "plan", "    store: {group: nobody-s}\n")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "madv: whose.yaml:10: metadata.sweep.store.group: there is no group 'nobody-s' on this machine; "
        "`id -Gn` lists yours"
    ]
    monkeypatch.setattr(modes.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(modes.os, "getegid", lambda: 1000)
    monkeypatch.setattr(modes.os, "getgroups", lambda: [1000])
    spec = SimpleNamespace(group=grp.getgrgid(0).gr_name, storage_path=str(tmp_path / "store"), places={})
    with pytest.raises(SpecError, match="you are no member of the group"):
        keep_store(spec, tmp_path / "clips")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("store: {group: 7}", "store.group: must be the name of a group, not 7"),
        ("store: {grup: a}", "store.grup: unknown key 'grup'; did you mean 'group'"),
        ("store: {group: a}\n    storage_path: s3://bucket/cells", "store.group: is of folders; "),
    ],
)
def test_what_the_file_says_of_it(tmp_path: Path, lines: str, message: str) -> None:
    file = tmp_path / "whose.yaml"
    file.write_text(f"{SWEEP}    {lines}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert message in str(caught.value)


def test_a_group_is_no_part_of_what_is_swept(tmp_path: Path) -> None:
    file = tmp_path / "whose.yaml"
    file.write_text(SWEEP)
    alone = load_spec(file)
    file.write_text(SWEEP + "    store: {group: staff}\n")
    assert (load_spec(file).group, load_spec(file).digest) == ("staff", alone.digest)


def test_who_names_no_group_goes_on_in_the_groups_store(tmp_path: Path) -> None:
    group = other_group()
    modes.keep(group, tmp_path / "store")
    modes.keep(None, tmp_path / "store")
    (tmp_path / "store" / "file").touch()
    assert found(tmp_path / "store")[str(tmp_path / "store" / "file")] == (0o660, group)
    modes.keep(None, tmp_path / "other")
    (tmp_path / "store" / "own").touch()
    assert found(tmp_path / "store")[str(tmp_path / "store" / "own")][0] == 0o600
