"""What `madv data check` finds in a folder, and the command that it names."""

from __future__ import annotations

import shlex
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from small_twins import annotation_file, small_twin

from madv.compose import compose
from madv.data.check import check
from madv.errors import DataError
from orchestration import cli


@pytest.fixture
def casme2(tmp_path):
    return small_twin("casme2", tmp_path)


def found(root):
    (report,) = check(root)
    return {finding.what: (finding.number, finding.first) for finding in report.findings if finding.wrong}


def test_a_sound_folder(casme2):
    (report,) = check(casme2)
    assert report.facts == {
        "annotations": "casme2.csv",
        "frames": "Cropped/ (cropped)",
        "clips": "3 of 2 subjects",
        "emotions": "happiness 1, disgust 1, others 1",
    }
    assert [(finding.what, finding.wrong) for finding in report.findings] == [("corrections: missing apex", False)]
    assert report.command == f"madv data prepare dataset=casme2 dataset.path={casme2}"


def test_what_is_missing_and_damaged(casme2, tmp_path):
    first, second, third = (casme2 / "Cropped" / name for name in ("sub01/EP02_01f", "sub01/EP19_05", "sub17/EP05_02"))
    (first / "reg_img10.jpg").unlink()
    (first / "reg_img9.jpg").write_bytes(b"")
    cut = first / "reg_img11.jpg"
    cut.write_bytes(cut.read_bytes()[:-100])
    (first / "reg_img12.jpg").write_text("not found")
    shutil.rmtree(second)
    for file in third.iterdir():
        file.unlink()
    (casme2 / "Cropped/sub17/EP99_01").mkdir()
    wrong = found(casme2)
    assert wrong == {
        "clips without a folder": (1, ("sub01/EP19_05: sub01/EP19_05",)),
        "clips with missing frames": (1, ("sub01/EP02_01f: 1 of 5 (10) in Cropped/sub01/EP02_01f",)),
        "damaged files": (
            3,
            (
                "Cropped/sub01/EP02_01f/reg_img9.jpg: empty",
                "Cropped/sub01/EP02_01f/reg_img11.jpg: cut short",
                "Cropped/sub01/EP02_01f/reg_img12.jpg: no image",
            ),
        ),
        "folders without usable frames": (1, wrong["folders without usable frames"][1]),
    }
    assert "EP05_02: holds no frames: the folder is empty" in wrong["folders without usable frames"][1][0]
    odd = {f.what: f.first for f in check(casme2)[0].findings if not f.wrong}
    assert odd["folders that the annotations do not list"] == ("Cropped/sub17/EP99_01",)


def test_the_first_ten_of_many(casme2):
    shutil.rmtree(casme2 / "Cropped")
    (casme2 / "Cropped/sub01").mkdir(parents=True)
    for number in range(12):
        (casme2 / f"Cropped/sub01/EP80_{number:02}").mkdir()
    (casme2 / "Cropped/sub17").mkdir()
    (casme2 / "Cropped/sub17/EP05_02").mkdir()
    (finding,) = [f for f in check(casme2)[0].findings if f.what == "folders that the annotations do not list"]
    assert (finding.number, len(finding.first)) == (12, 10)


def test_links_that_lead_out_are_refused(casme2, tmp_path):
    shutil.move(casme2 / "Cropped/sub17/EP05_02", tmp_path / "elsewhere")
    (casme2 / "Cropped/sub17/EP05_02").symlink_to(tmp_path / "elsewhere")
    (casme2 / "Cropped/sub01/EP02_01f/reg_img9.jpg").unlink()
    (casme2 / "Cropped/sub01/EP02_01f/reg_img9.jpg").symlink_to("/etc/passwd")
    number, first = found(casme2)["paths that lead out of the folder, refused"]
    assert number == 2 and first[0].endswith("reg_img9.jpg -> /etc/passwd") and first[1].endswith("elsewhere")
    # A root that is itself a link is the user's own choice.
    (tmp_path / "link").symlink_to(casme2)
    assert len(check(tmp_path / "link")) == 1


def test_a_manifest_that_leads_out_is_refused(tmp_path):
    (tmp_path / "own.csv").write_text("sample_id,subject,emotion,frames\na,s1,sad,../../etc\n")
    wrong = found(tmp_path)
    assert "row 2: frames '../../etc' lead out of the data set's folder" in wrong["problems of the annotations"][1][0]


def test_a_manifest_names_its_own_depth_and_estimates(tmp_path):
    (tmp_path / "own.csv").write_text("sample_id,subject,emotion,frames,depth,estimates\na,s1,sad,a,d/a,a.csv\n")
    assert check(tmp_path)[0].command.endswith(" dataset.depth.source=folder dataset.au.source=openface")
    (tmp_path / "own.csv").write_text("sample_id,subject,emotion,frames,depth\na,s1,sad,a,../d\n")
    assert "row 2: depth '../d' lead out" in found(tmp_path)["problems of the annotations"][1][0]


def test_bombs_and_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/workbook.xml", bytes(40 * 2**20))
    shutil.copy(tmp_path / "bomb.xlsx", tmp_path / "bomb.zip")
    with zipfile.ZipFile(tmp_path / "away.zip", "w") as away:
        away.writestr("../home.txt", "")
    with pytest.raises(DataError, match=r"bomb\.xlsx: unpacks to 40 MB from .* MB, more than the 32 MB allowed"):
        check(tmp_path)
    with pytest.raises(DataError, match=r"is refused: it unpacks to 40\.0 MB from 0\.\d MB, as no data set does"):
        check(tmp_path / "bomb.zip")
    with pytest.raises(DataError, match=r"its member '\.\./home\.txt' leads out of the folder"):
        check(tmp_path / "away.zip")


def test_folders_that_are_nothing(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DataError, match=r"is none of CASME-II, SAMM, .*; it holds holiday.jpg: name the folder"):
        check(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        check(tmp_path / "nothing")


def test_frames_without_annotations(casme2):
    (casme2 / "casme2.csv").unlink()
    (line,) = found(casme2)["problems of the annotations"][1]
    assert "holds no annotation file of CASME-II; put it there or set dataset.annotations" in line


def test_the_command_is_understood_whatever_the_path(tmp_path):
    home = tmp_path / "my data, (2014)"
    home.mkdir()
    shutil.copytree(small_twin("samm", tmp_path), home / 'a "b"')
    (report,) = check(home / 'a "b"')
    words = shlex.split(report.command)
    assert words[:3] == ["madv", "data", "prepare"]
    assert compose(words[3:]).dataset.path == str(home / 'a "b"')


def test_several_data_sets_in_one_folder(tmp_path):
    home = tmp_path / "three"
    home.mkdir()
    for kind in ("casme2", "samm", "smic"):
        shutil.move(small_twin(kind, tmp_path), home / kind)
    reports = check(home)
    assert [(report.kind, report.twin) for report in reports] == [
        ("casme2", True),
        ("samm", True),
        ("smic", True),
        ("composite", True),
    ]
    assert reports[-1].command == f"madv data prepare dataset=composite dataset.path={home}"


def test_the_command_line(casme2, capsys):
    assert cli.main(["data", "check", str(casme2)]) == 0
    assert "CASME-II, a twin: synthetic frames, not the data set itself" in capsys.readouterr().out
    (casme2 / "Cropped/sub01/EP02_01f/reg_img9.jpg").unlink()
    assert cli.main(["data", "check", str(casme2)]) == 2
    assert "wrong        clips with missing frames: 1" in capsys.readouterr().out
    twin = ["--like", "smic", "--annotations", str(annotation_file("smic", casme2.parent)), "--out"]
    assert cli.main(["data", "synthesize", *twin, str(casme2.parent / "smic"), "--size", "16"]) == 0
    assert "3 clips, 43 frames in 3 folders" in capsys.readouterr().out


def test_the_optical_flow_of_megc2019_as_file_and_as_folder(tmp_path, capsys):
    names = {"subject": ["s01", "006"], "dataset": ["smic", "samm"], "clip": ["a", "b"]}
    np.savez(tmp_path / "flow.npz", x=np.zeros((2, 28, 28, 3), np.uint8), y=np.array([0, 2]), **names)
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "labels.csv").write_text("dataset,sub,filename_o,label\nsmic,s01,a,0\nsamm,006,b,2\n")
    for name in ("s01_a .png", "006_b .png"):
        Image.new("RGB", (28, 28)).save(folder / name)
    for path, setting in ((tmp_path / "flow.npz",) * 2, (tmp_path, tmp_path / "flow.npz"), (folder, folder)):
        (report,) = check(path)
        assert report.facts["clips"] == "2 of 2 subjects"
        assert report.facts["emotions"] == "negative 1, positive 0, surprise 1"
        assert report.command == f"madv data prepare dataset=megc2019 dataset.path={setting}"
    (folder / "006_b .png").unlink()
    assert cli.main(["data", "check", str(folder)]) == 2
    assert "has no image '006_b .png', which labels.csv lists" in capsys.readouterr().out
    (folder / "006_b .png").symlink_to("/etc/passwd")
    assert "leads out of" in found(folder)["problems of the files"][1][0]
    np.savez_compressed(tmp_path / "flow.npz", x=np.zeros((30_000, 28, 28, 3), np.uint8), y=np.array([0, 2]), **names)
    assert (
        "flow.npz: unpacks to 67 MB, more than 64: refused"
        in found(tmp_path / "flow.npz")["problems of the files"][1][0]
    )
