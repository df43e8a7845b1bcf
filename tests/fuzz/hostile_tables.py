"""Annotation sheets, manifests and OpenFace CSVs, and how the program takes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from damage import LONG, altered, damaged, repacked
from hypothesis import strategies as st

from madv.config_data import ManifestConfig
from madv.data import au_files
from madv.data.annotations.kinds import read as read_annotations
from madv.data.annotations.kinds import recognise
from madv.data.manifest import read_manifest

BESIDE = Path(__file__).parents[3] / "shared/data/annotations"
SHEETS = {
    "casme2": [
        [
            "Subject",
            "Filename",
            None,
            "OnsetFrame",
            "ApexFrame",
            "OffsetFrame",
            None,
            "Action Units",
            "Estimated Emotion",
        ],
        ["01", "EP02_01f", None, 46, 59, 86, None, "4+L10", "happiness"],
        ["26", "EP18_50", None, 1, "/", 9, None, "14?", "others"],
    ],
    "samm": [
        ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"],
        ["006", "006_1_2", 562, 580, 587, "AU4", "Anger"],
        ["007", "007_3_1", 1, 2, 3, "R12B or 6", "Other"],
    ],
    "smic": [
        ["Subject", "Filename", "OnsetF", "OffsetF", "Emotion", "LastF"],
        [1, "s1_ne_01", 5, 30, "negative", 60],
        [20, "s20_sur_02", 1, 9, "surprise", None],
    ],
    "casme_sq": [
        [1, "anger1_1", 557, 572, 608, "4", "negative", "macro-expression", "anger"],
        [22, "happy5_2", 10, 12, 0, None, "others", "micro-expression", "happyiness"],
    ],
    "manifest": [
        [
            "sample_id",
            "subject",
            "emotion",
            "frames",
            "onset",
            "apex",
            "offset",
            "action_units",
            "fps",
            "depth",
            "notes",
        ],
        ["a", "s1", "joy", "clips/a", 1, 5, 9, "4+R12", 200, None, None],
        ["b", "s2", "fear", "b.mp4", None, None, None, None, 29.97, "d/b", "with hat"],
    ],
}
REAL = {
    "casme2": "CASME2-coding-20140508.xlsx",
    "samm": "SAMM_Micro_FACS_Codes_v2.xlsx",
    "smic": "SMIC-HS-E_annotation.xlsx",
    "casme_sq": "CASME_sq_gt.xlsx",
}
"""Beside the project where they are to be had."""


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _xlsx(rows: Sequence[Sequence[Any]]) -> bytes:
    book, written = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.create_sheet("naming").append([15, "s15", 1])
    book.save(written)
    return written.getvalue()


COLUMNS = (["a", "b"], ["a", "a"], [1, 9], [-1, 2], [0.5, float("nan")], [None, None], [True, False], [[1], []])
COLUMNS += ([b"\xff", b""], [{"a": 1}, None], [pd.Timestamp(0), None], ["x" * 9999, "\x1b"], [2**62, 0], ["../x", "/"])


def _parquet(columns: dict[str, Any]) -> bytes:
    written = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), written)
    content: bytes = written.getvalue().to_pybytes()
    return content


def tables(kinds: Sequence[str]) -> st.SearchStrategy[tuple[str, str, bytes]]:
    """Kind, suffix, content; the long form has the real files, too."""
    header, *rows = SHEETS["manifest"]
    sound = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    books = {kind: [_xlsx(SHEETS[kind])] for kind in kinds}
    for kind, name in REAL.items():
        if LONG and kind in kinds and (file := BESIDE / name).is_file():
            books[kind].append(file.read_bytes())
    by_kind = {
        kind: damaged([_csv(SHEETS[kind])]).map(lambda content: (".csv", content))
        | (repacked(books[kind]) | damaged(books[kind])).map(lambda content: (".xlsx", content))
        for kind in kinds
    }
    if "manifest" in kinds:
        odd = altered(sound, st.sampled_from(COLUMNS)).map(_parquet)
        by_kind["manifest"] |= (odd | damaged([_parquet(sound)])).map(lambda content: (".parquet", content))
    return st.sampled_from(kinds).flatmap(lambda kind: by_kind[kind].map(lambda made: (kind, *made)))


def sound_tables(kinds: Sequence[str]) -> list[tuple[str, str, bytes]]:
    """Kind, suffix, content."""
    makers = {".csv": _csv, ".xlsx": _xlsx}
    return [(kind, suffix, make(SHEETS[kind])) for kind in kinds for suffix, make in makers.items()]


def read_sheet(folder: Path, table: tuple[str, str, bytes]) -> None:
    """As the annotations of its data set."""
    kind, suffix, content = table
    file = folder / f"hostile{suffix}"
    file.write_bytes(content)
    recognise(file)
    read_annotations(file, kind)


def read_table(folder: Path, table: tuple[str, str, bytes]) -> None:
    """As a data set of one's own."""
    file = folder / f"hostile{table[1]}"
    file.write_bytes(table[2])
    read_manifest(ManifestConfig(path=str(folder), annotations=str(file)))


ESTIMATES = (
    b"frame, face_id, timestamp, confidence, success, AU01_r, AU12_r, AU01_c, AU28_c\n"
    b"1, 0, 0.0, 0.98, 1, 0.50, 2.00, 0.00, 0.00\n2, 0, 0.1, 0.98, 0, 0.75, 3.50, 1.00, 0.00\n",
    b"frame,input,AU12,AU01\n0,/a/reg_img46.jpg,.5,.25\n1,/a/reg_img48.jpg,.75,1\n",
    b"frame_idx,au_1_intensity,au_12_intensity,au_1\n0,1.5,2,1\n1,1.5,2,1\n",
)


def read_estimates(folder: Path, content: bytes) -> None:
    """Aligned to frames, and between them."""
    file = folder / "hostile.csv"
    file.write_bytes(content)
    found = au_files.read(file)
    aligned = au_files.align(file, found, {46: "reg_img46.jpg", 47: "reg_img47.jpg"}, "numbers")
    values = au_files.at(file, aligned, np.array([46, 46.5, 47]))
    assert values.shape == (len(found.names), 3) and np.isfinite(values).all()
