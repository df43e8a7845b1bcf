"""The real annotation files, beside the project where they are to be had at all."""

from __future__ import annotations

from pathlib import Path

import pytest

ANNOTATIONS = Path(__file__).parents[4] / "shared/data/annotations"
FILES = {
    "casme2": "CASME2-coding-20140508.xlsx",
    "samm": "SAMM_Micro_FACS_Codes_v2.xlsx",
    "smic": "SMIC-HS-E_annotation.xlsx",
    "casme_sq": "CASME_sq_gt.xlsx",
}


def real_file(kind: str) -> Path:
    """The file, or the test is skipped."""
    file = ANNOTATIONS / FILES[kind]
    if not file.is_file():
        pytest.skip(f"the real annotation files are not here: no {file.name}")
    return file
