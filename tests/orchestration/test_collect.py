"""What `madv gc` removes: what is old and what no report refers to, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestration.cells import CellStore
from orchestration.checkpoints import CheckpointStore
from orchestration.cli import main
from orchestration.references import References, share_references, write_references
from orchestration.weights import WeightStore

KEPT, LOST, YOUNG = "a" * 64, "b" * 64, "c" * 64
DAY = 86_400


def age(path: Path, days: float) -> None:
    then = path.stat().st_mtime - days * DAY
    os.utime(path, (then, then))


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A store with old and young files, and a report of the first cell; what of it is worth keeping, sorted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MADV_CACHE", raising=False)
    cells, weights, networks = CellStore("store"), WeightStore("store"), CheckpointStore("store")
    for key in (KEPT, LOST, YOUNG):
        cells.finish(key, b"cell")
        weights.finish(key, b"weights")
        networks.finish(key, b"network")
    cells.record_attempt(LOST)
    cells.folder.put(f"{KEPT}.parquet.1.tmp", b"half")
    cells.folder.put("notes.txt", b"mine")
    for name, fingerprint in (("used", "f1"), ("unused", "f2")):
        folder = tmp_path / "store" / "clips" / name
        folder.mkdir(parents=True)
        (folder / "facts.json").write_text(json.dumps({"described": {"fingerprint": fingerprint}}))
    for path in [path for path in (tmp_path / "store").rglob("*") if path.is_file() and YOUNG not in path.name]:
        age(path, 31)
    report = tmp_path / "reports" / "one"
    report.mkdir(parents=True)
    (report / "index.html").write_text("<p>report")
    write_references(report, References(keys=frozenset({KEPT}), data=frozenset({"f1"})))
    kept = [f"{key}{end}" for key in (KEPT, YOUNG) for end in (".parquet", ".safetensors", ".safetensors")]
    return sorted([*kept, "notes.txt", "facts.json"])


def there() -> list[str]:
    return sorted(path.name for path in Path("store").rglob("*") if path.is_file())


def test_what_is_old_and_in_no_report_goes(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc"]) == 0
    assert there() == names
    assert (Path("store") / "clips" / "used").is_dir()
    assert "removed 3 of cells" in capsys.readouterr().out
    assert main(["gc"]) == 0
    assert "removed nothing" in capsys.readouterr().out


def test_a_dry_run_names_what_would_go_and_removes_nothing(
    names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = there()
    assert main(["gc", "--dry-run"]) == 0
    assert there() == before
    printed = capsys.readouterr().out
    assert f"cells/{LOST}.parquet" in printed and f"pretrained/{LOST}" in printed and "clips/unused" in printed
    assert YOUNG not in printed and f"{KEPT}.parquet " not in printed


def test_everything_that_is_young_enough_stays(names: list[str]) -> None:
    before = there()
    assert main(["gc", "--keep-days", "32"]) == 0
    assert there() == before


@pytest.mark.parametrize("content", [None, "{", '{"keys": 3}'])
def test_a_report_that_does_not_say_what_it_used_stops_it(
    names: list[str], content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = there()
    file = Path("reports/one/cells.json")
    file.unlink() if content is None else file.write_text(content)
    assert main(["gc"]) == 2
    assert there() == before
    assert "reports/one" in capsys.readouterr().err


def test_a_missing_folder_of_reports_is_no_permission(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--reports", "elsewhere"]) == 2
    assert "elsewhere" in capsys.readouterr().err


def test_reports_elsewhere_keep_theirs(names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody else's report over the same store, in a folder that is not looked into; it goes, and so do its cells."""
    report = tmp_path / "theirs" / "two"
    report.mkdir(parents=True)
    share_references("store", report, References(keys=frozenset({LOST}), data=frozenset({"f2"})))
    (file,) = (tmp_path / "store" / "references").iterdir()
    age(file, 31)
    assert main(["gc"]) == 0
    assert f"{LOST}.parquet" in there() and (tmp_path / "store" / "clips" / "unused").is_dir()
    report.rmdir()
    assert main(["gc", "--keep-days", "40"]) == 0
    assert file.exists()
    assert main(["gc"]) == 0
    assert there() == names
    assert "1 of references" in capsys.readouterr().out


def test_reports_of_other_machines_keep_theirs_for_a_year(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod's name does not come back; whether its report is there cannot be seen from here."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "pod-1")
        share_references("store", tmp_path / "gone", References(keys=frozenset({LOST})))
    (file,) = (tmp_path / "store" / "references").iterdir()
    age(file, 360)
    assert main(["gc"]) == 0
    assert f"{LOST}.parquet" in there()
    age(file, 370)
    assert main(["gc"]) == 0
    assert not file.exists() and f"{LOST}.parquet" not in there()


def test_a_reference_that_cannot_be_read_stops_it(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("store/references").mkdir()
    Path("store/references/x.json").write_text('{"host": 3}')
    before = there()
    assert main(["gc"]) == 2
    assert there() == before
    assert "references/x.json: cannot be read" in capsys.readouterr().err
