"""Annotation files: the real ones with their known oddities, copies of them, wrong ones, and files made to do harm."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_files import FILES, real_file

from madv.config_data import ManifestConfig
from madv.data.annotations.kinds import KINDS, find_file, read, recognise
from madv.data.annotations.sheets import Sheet, read_sheets
from madv.data.annotations.tables import Table
from madv.data.manifest import read_manifest
from madv.errors import DataError

CASME2 = [
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
]
SAMM = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"]


def _csv(path, *rows):
    with path.open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    return path


def _casme2(path, *rows):
    """Rows of subject, clip, onset, apex, offset, units, emotion."""
    return _csv(path, CASME2, *([r[0], r[1], None, *r[2:5], None, *r[5:]] for r in rows))


def _samm(path, *rows):
    return _csv(path, ["SAMM Dataset"], [], SAMM, *rows)


def _casme_sq(path, *rows):
    return _csv(path, *rows)


def _problems(file, kind):
    with pytest.raises(DataError) as caught:
        read(file, kind)
    return [str(problem).removeprefix(f"{file}, ").removeprefix(f"{file}: ") for problem in caught.value.problems]


def _corrections(annotations):
    return [(c.row, c.sample_id, c.kind) for c in annotations.corrections]


@pytest.mark.parametrize(
    ("kind", "clips", "subjects", "corrections"),
    [
        ("casme2", 255, 26, {"missing apex": 1}),
        ("samm", 159, 29, {}),
        ("smic", 157, 16, {"emotion": 1}),
        ("casme_sq", 357, 22, {"missing offset": 44, "missing apex": 1, "swapped apex and offset": 3, "spelling": 1}),
    ],
)
def test_the_real_files(kind, clips, subjects, corrections):
    file = real_file(kind)
    assert recognise(file) == kind
    annotations = read(file, kind)
    assert len({clip.sample_id for clip in annotations.clips}) == len(annotations.clips) == clips
    assert len({clip.subject for clip in annotations.clips}) == subjects
    assert Counter(correction.kind for correction in annotations.corrections) == corrections
    for clip in annotations.clips:
        assert clip.onset <= clip.apex <= clip.offset


def test_the_real_corrections_by_row():
    casme2 = read(real_file("casme2"), "casme2")
    assert casme2.release == "2014"
    assert _corrections(casme2) == [(31, "sub04/EP12_01f", "missing apex")]
    assert next(clip.apex for clip in casme2.clips if clip.row == 31) == 291  # the middle of 261 and 321
    smic = read(real_file("smic"), "smic")
    assert _corrections(smic) == [(38, "s18/s18_sur_03", "emotion")]
    assert sum("a second onset" in note for clip in smic.clips for note in clip.notes) == 8
    sq = {clip.row: clip for clip in read(real_file("casme_sq"), "casme_sq").clips}
    assert (sq[170].onset, sq[170].apex, sq[170].offset) == (1221, 1224, 1230)  # 1230, 1224 in the file
    assert (sq[3].apex, sq[3].offset) == (2163, 2171)  # onset 2155, no offset
    assert (sq[309].onset, sq[309].apex, sq[309].offset) == (1763, 1775, 1787)
    assert (sq[203].emotion, sq[203].notes) == ("others", ("macro-expression", "felt: happiness"))
    assert (sq[1].sample_id, sq[1].folder) == ("s15/anger1_1", "s15/15_0401*")


def test_a_csv_copy_of_casme_sq_has_lost_the_naming_rules_and_says_the_same(tmp_path):
    original = real_file("casme_sq")
    copy = _csv(tmp_path / "gt.csv", *read_sheets(original)[0].rows)
    same = [
        [
            (c.sample_id, c.folder, c.onset, c.apex, c.offset, c.action_units, c.emotion)
            for c in read(f, "casme_sq").clips
        ]
        for f in (original, copy)
    ]
    assert same[0] == same[1]


def test_a_csv_copy_of_samm_has_lost_its_zeros(tmp_path):
    rows = read_sheets(real_file("samm"))[0].rows
    copy = _csv(tmp_path / "samm.csv", rows[13], *([str(int(row[0])), *row[1:]] for row in rows[14:]))
    annotations = read(copy, "samm")
    assert annotations.clips[0].sample_id == "006/006_1_2"
    assert len({clip.subject for clip in annotations.clips}) == 29
    assert Counter(c.kind for c in annotations.corrections) == {"lost zeros": 159}


def test_known_errors_of_published_files(tmp_path):
    samm = _samm(
        tmp_path / "samm.csv",
        ["028", "028_4_1", 1071, 1143, 1134, "A14C", "Contempt"],
        ["032", "032_3_1", 4896, 1930, 4970, "4A", "Anger"],
    )
    annotations = read(samm, "samm")
    assert [clip.apex for clip in annotations.clips] == [1113, 4930]
    assert _corrections(annotations) == [(4, "028/028_4_1", "wrong apex"), (5, "032/032_3_1", "wrong apex")]
    casme2 = _casme2(tmp_path / "casme2.csv", ["07", "EP06_02_02", 36, 81, 60, "4+R10", "disgust"])
    annotations = read(casme2, "casme2")
    assert annotations.clips[0].offset == 91
    assert _corrections(annotations) == [(2, "sub07/EP06_02_02", "wrong offset")]


def test_the_coding_of_2019_is_told_by_its_content(tmp_path):
    seven = ["17/EP15_01", "17/EP15_03", "19/EP19_04", "24/EP07_01", "24/EP07_04f", "24/EP10_03", "26/EP15_01"]

    def coding(emotions):
        rows = [[*clip.split("/"), 1, 2, 3, "1", emotion] for clip, emotion in zip(seven, emotions, strict=False)]
        return read(_casme2(tmp_path / "CASME2-coding-20140508.csv", *rows), "casme2").release

    assert coding(["sadness"] * 7) == "2014"
    assert coding(["sadness"] * 4 + ["surprise"] * 3) == "2019"
    assert coding(["sadness"] * 2) is None


def test_the_formats_say_the_same(tmp_path):
    import pandas as pd

    table = pd.DataFrame(
        {
            "sample_id": ["a", "b"],
            "subject": ["1", "2"],
            "emotion": ["Happiness", "other"],
            "frames": ["films/a.mp4", "b"],
            "onset": [1.0, None],
            "action_units": ["4+L10", None],
            "fps": [200, 29.97],
        }
    )
    table.to_csv(tmp_path / "m.csv", index=False)
    table.to_parquet(tmp_path / "m.parquet", index=False)
    table.to_excel(tmp_path / "m.xlsx", index=False)
    read_as = [read(tmp_path / f"m.{suffix}", "manifest").clips for suffix in ("csv", "parquet", "xlsx")]
    assert read_as[0] == read_as[1] == read_as[2]
    first, second = read_as[0]
    assert (first.emotion, first.onset, first.apex, first.fps) == ("happiness", 1, None, 200)
    assert (second.emotion, second.onset, second.action_units, second.folder) == ("others", None, None, "b")


def test_every_wrong_row_is_named_at_once(tmp_path):
    file = _casme2(
        tmp_path / "a.csv",
        ["01", "EP01_01", 5, 9, 20, 4, "happiness"],
        ["1", "EP02_01", "5a", 9, 20, 4, "hapiness"],
        ["01", "../EP03", 5, 9, 20, 4, "happiness"],
        ["01", "EP04_01", 5, 900, 20, 4, "happiness"],
        ["01", "EP05_01", 5, None, 0, 4, "happiness"],
        ["01", "EP01_01", 5, 9, 20, 4, "happiness"],
    )
    problems = _problems(file, "casme2")
    assert [problem.split(":")[0] for problem in problems] == [f"row {row}" for row in (3, 3, 3, 4, 5, 6, 7)]
    assert "onsetframe '5a' is no frame number" in problems[0]
    assert "did you mean 'happiness'?" in " ".join(problems[1:3])
    assert "filename '../EP03'" in problems[3]
    assert "apex 900, offset 20 are not in order" in problems[4]
    assert "no apex and no offset" in problems[5]
    assert "lists sub01/EP01_01 again, as row 2 does" in problems[6]


def test_a_formula_without_its_value_is_said_so(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Subject", "Filename", "OnsetF", "OffsetF", "Emotion", "LastF"])
    book.active.append([1, "s1_ne_01", 5, "=C2+8", "negative", 20])
    book.save(tmp_path / "a.xlsx")
    assert "a formula without its value" in _problems(tmp_path / "a.xlsx", "smic")[0]


def test_the_file_of_another_data_set_is_named(tmp_path):
    file = _samm(tmp_path / "CASME2-coding.csv", ["6", "006_1_2", 1, 2, 3, "4", "Anger"])
    assert "of SAMM, not one of CASME-II: set dataset=samm" in _problems(file, "casme2")[0]
    table = _csv(tmp_path / "b.csv", ["a", "b"], [1, 2])
    assert recognise(table) is None
    assert "nor of any data set known" in _problems(table, "samm")[0]
    with pytest.raises(DataError, match=r"several of SAMM: CASME2-coding\.csv, below/c\.csv; set dataset\.annotations"):
        (tmp_path / "below").mkdir()
        _samm(tmp_path / "below/c.csv", ["6", "006_1_2", 1, 2, 3, "4", "Anger"])
        find_file(tmp_path, "samm")
    assert find_file(tmp_path, "smic") is None


@pytest.mark.parametrize("frames", ["../elsewhere", "/etc", "a/../../b", "..\\b", "C:\\b"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, frames):
    file = _csv(tmp_path / "m.csv", ["sample_id", "subject", "emotion", "frames"], ["a", "s", "joy", frames])
    assert "lead out of the data set's folder" in _problems(file, "manifest")[0]


def test_a_bomb_is_not_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(40 * 2**20))
    assert "unpacks to 40 MB from 0.0 MB" in _problems(tmp_path / "bomb.xlsx", "samm")[0]


def _rewritten(path, old, new):
    """An empty workbook with its sheet changed."""
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in parts.items():
            changed = data.replace(old, new, 1) if member.endswith("sheet1.xml") else data
            assert (changed != data) == member.endswith("sheet1.xml")
            archive.writestr(member, changed)
    return path


def test_entities_and_far_rows_are_refused(tmp_path):
    entity = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet'
    laughs = _rewritten(tmp_path / "a.xlsx", b"<worksheet", entity)
    assert "the file is damaged or something else" in _problems(laughs, "samm")[0]
    row = b'<row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData>'
    far = _rewritten(tmp_path / "b.xlsx", b"</sheetData>", row)
    assert "has more than 50,000 rows" in _problems(far, "samm")[0]


@pytest.mark.parametrize("name", ["a.xlsx", "a.parquet", "a.xls", "a.csv", "none.csv"])
def test_what_is_no_table_is_said_so(tmp_path, name):
    if name != "none.csv":
        (tmp_path / name).write_bytes(b"PK\x03\x04\x00\xff\xfe" * 9)
    (problem,) = _problems(tmp_path / name, "samm")
    assert problem.startswith(("cannot be read", "is no", "is not one of SAMM"))


def test_a_library_that_warns_or_speaks_in_lines_is_not_heard(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(SAMM)
    book.active.append(["006", "006_1_2", 1, 2, 3, "4", "Anger"])
    book.create_sheet("b")
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(b'r:id="rId2"', b'r:id=""')
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        for member, data in parts.items():
            archive.writestr(member, data)
    assert len(read_sheets(tmp_path / "b.xlsx")) == 1
    table = pa.table({"sample_id": ["a" * 100]})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:4] + b"\xff" * 30 + content[34:])
    assert _problems(tmp_path / "a.parquet", "manifest") == ["cannot be read: the file is damaged or something else"]


def test_a_name_too_long_for_any_folder_is_a_folder_that_is_missing(tmp_path):
    file = _csv(tmp_path / "m.csv", ["sample_id", "subject", "emotion", "frames"], ["a", "s", "joy", "x" * 9999])
    (problem,) = read_manifest(ManifestConfig(path=str(tmp_path), annotations=str(file))).problems
    assert problem.message.startswith("clip a has no folder xxx")
    assert len(str(problem)) < 2000 < len(problem.message)


@pytest.mark.parametrize("kind", FILES)
def test_a_truncated_spreadsheet_is_said_so(tmp_path, kind):
    data = real_file(kind).read_bytes()
    (tmp_path / "a.xlsx").write_bytes(data[: len(data) // 2])
    assert _problems(tmp_path / "a.xlsx", kind) == [
        "cannot be read as a spreadsheet: the file is damaged or something else"
    ]


CELLS = st.sampled_from(
    [None, "", "?", "/", 0, 1, 7, 20, 7.0, 2.5, -3, "12", "1e9", "NULL", "9" * 5000, "soft", "4+R12"]
)
KNOWN = {
    "casme2": [["01", "7", "sub26"], ["EP01_01", "EP02_02f"], None, None, None, None, ["happiness", "fear"]],
    "samm": [["006", "7", 7], ["006_1_2", "7_1_1"], None, None, None, None, ["Anger", "other"]],
    "smic": [[1, "s01"], ["s1_ne_01", "s01_ne_02"], None, None, ["negative"], None],
    "casme_sq": [[1, "22"], ["anger1_1", "happy5_2"], None, None, None, None, ["others"], ["macro-expression"], None],
    "manifest": [["a", "b"], ["s1"], ["joy"], ["a/b", "../c"], None, None, None, None, None],
}
HEADERS = {
    "casme2": [name for name in CASME2 if name],
    "samm": SAMM,
    "smic": ["Subject", "Filename", "OnsetF", "OffsetF", "Emotion", "LastF"],
    "manifest": ["sample_id", "subject", "emotion", "frames", "onset", "apex", "offset", "action_units", "fps"],
}


@settings(deadline=None)
@given(st.data())
def test_a_row_is_read_in_order_or_named_wrong(data):
    kind = data.draw(st.sampled_from(sorted(KNOWN)))
    cells = [CELLS if values is None else st.sampled_from(values) | CELLS for values in KNOWN[kind]]
    header = [tuple(HEADERS[kind])] if kind in HEADERS else []
    right = tuple(1 if values is None else values[0] for values in KNOWN[kind])
    recognised = KINDS[kind].find([Sheet("a", [*header, right])])
    rows = [right, *data.draw(st.lists(st.tuples(*cells), max_size=2))]
    table = Table(Sheet("a", [*header, *rows]), recognised.columns, len(header))
    try:
        annotations = KINDS[kind].read(table, [], Path("a.csv"))
    except DataError as error:
        wrong = {problem.place.removeprefix("a.csv, row ") for problem in error.problems}
        assert wrong <= {str(len(header) + place) for place in range(2, len(rows) + 1)}  # never the right one
        return
    assert len({clip.sample_id for clip in annotations.clips}) == len(rows)
    for clip in annotations.clips:
        times = [time for time in (clip.onset, clip.apex, clip.offset) if time is not None]
        assert times == sorted(times)
        assert ".." not in clip.folder
