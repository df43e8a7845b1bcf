"""Who is who across data sets: the same person, and the same recording, under the names of two manifests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

# HS, VIS and NIR are three cameras before the same people; CAS(ME)^2 and CASME-II are two groups.
_DATASETS = {"casmeii": "casme2", "smichs": "smic", "smichse": "smic", "smicvis": "smic", "smicnir": "smic"}


def subject_identity(manifest: pd.DataFrame) -> npt.NDArray[np.str_]:
    """(N,) "dataset/subject" of each row, the same for a person in a composite and in the data set it was made of.

    A composite names its subjects "dataset/subject"; writings of a name differ in case, prefix and leading zeros: s3,
    s03 and sub03 of one data set are one subject. Where in doubt two rows count as one person, so that a held-out
    subject never comes back under another name.
    """
    rows = zip(manifest["dataset"].astype(str), manifest["subject"].astype(str), strict=True)
    return np.array([_identity(dataset, subject) for dataset, subject in rows], dtype=np.str_)


def recording_identity(manifest: pd.DataFrame) -> npt.NDArray[np.str_]:
    """(N,) "dataset/subject/sample" of each row, the same for a recording in a composite and in its own data set."""
    samples = manifest["sample_id"].astype(str).str.rpartition("/")[2].str.casefold()
    return np.array([f"{who}/{sample}" for who, sample in zip(subject_identity(manifest), samples, strict=True)])


def _identity(dataset: str, subject: str) -> str:
    prefix, _, name = subject.rpartition("/")
    source = re.sub(r"[^a-z0-9]", "", (prefix or dataset).casefold().replace("^2", "sq"))
    number = re.fullmatch(r"[a-z]*[ _-]?0*(\d+)", name.casefold())
    return f"{_DATASETS.get(source, source)}/{number[1] if number else name.casefold()}"
