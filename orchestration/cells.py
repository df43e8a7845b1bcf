"""The cell store: one Parquet file a trained fold, written whole or not at all, found by its key."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from madv.errors import MadvError, Problem
from orchestration.ids import digest
from orchestration.keyed_store import KeyedStore, State

FOLDER = "cells"
DONE = ".parquet"
FAILED = ".failed.parquet"
READERS, AT_A_TIME = 8, 32
"""Threads that read files, and the files that each takes at a time: one by one, handing over costs what it saves."""


class CellError(MadvError):
    """A cell that is not there, or a file that is not the cell it says it is."""


class BrokenCellError(CellError):
    """A file that was cut off or altered after it was written."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cell:
    """One trained fold: what it predicted, how it got there and what it cost."""

    key: str
    """64 hexadecimal digits, from cell_key."""
    variant: str
    """Digest of what the variant's config means for training; names belong to sweep files, not to cells."""
    seed: int
    subject: str
    """Held out; where clips are split at random, the name of a fold (madv.data.folds.Fold)."""
    state: State
    sample_id: tuple[str, ...]
    """(n,) clips that the fold holds out; empty if it failed."""
    y_true: npt.NDArray[np.int64]
    """(n,)"""
    y_pred: npt.NDArray[np.int64]
    """(n,)"""
    probabilities: npt.NDArray[np.float32]
    """(n, C)"""
    class_names: tuple[str, ...]
    """(C,)"""
    history: dict[str, list[float]] = field(default_factory=dict)
    """By name, one value an epoch: loss, accuracy and the terms of the loss."""
    seconds: float
    """Training time; of a failed fold, the time until it failed."""
    peak_memory: int | None = None
    """Bytes; None if unknown."""
    parameters: int | None = None
    """Weights of the network; None if the fold failed before there was one."""
    device: str
    versions: dict[str, str] = field(default_factory=dict)
    """By package."""
    started: float
    """Unix time, seconds."""
    finished: float
    reason: str | None = None
    """The traceback of a failed fold."""


def cell_key(
    meaning: dict[str, Any], data_fingerprint: str, seed: int, subject: str, code: str, without: Sequence[str] = ()
) -> str:
    """SHA-256 of everything that a fold's result depends on; names, paths and the order of settings do not enter.

    Args:
        meaning: Config.meaning().
        data_fingerprint: fingerprint of what training reads of the data set.
        seed: the seed of the repetition.
        subject: the held-out subject.
        code: orchestration.code.code_fingerprint().
        without: further subjects that are not trained on.
    """
    content = {"meaning": meaning, "data": data_fingerprint, "seed": seed, "subject": subject, "code": code}
    return digest({**content, "without": sorted(without)} if without else content)


class CellStore(KeyedStore):
    """The cells under a folder or a URI (file://, s3:// and the like, through pyarrow.fs)."""

    done = DONE
    failed = FAILED

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root, FOLDER)

    def write(self, cell: Cell) -> None:
        """Store a cell, whole or not at all. A done cell ends the record of failures and attempts."""
        from orchestration.cell_file import encode

        if cell.state == "done":
            self.finish(cell.key, encode(cell))
        else:
            self.folder.put(cell.key + FAILED, encode(cell))

    def read(self, key: str) -> Cell:
        """The done cell of this key, else the failed one.

        Raises:
            CellError: there is none, or its file was cut off or altered; such a one is set aside.
        """
        return self.read_many([key])[0]

    def read_many(self, keys: Iterable[str]) -> list[Cell]:
        """Cells in the order of the keys; all problems in one CellError, and what is broken set aside."""
        wanted = list(keys)
        found, problems = self._read(wanted)
        if problems:
            raise CellError(problems)
        return [found[key] for key in wanted]

    def read_whole(self, keys: Iterable[str]) -> dict[str, Cell]:
        """Those of the cells that are whole, by key; of the others the log says why not, and what is broken is set
        aside: its fold is to be trained again."""
        found, problems = self._read(keys)
        for problem in problems:
            logging.getLogger("madv").warning("madv: %s", problem)
        return found

    def _read(self, keys: Iterable[str]) -> tuple[dict[str, Cell], list[Problem]]:
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Cell] = {}
        problems: list[Problem] = []
        # Threads hide the latency of a network; decoding holds the interpreter's lock and gains nothing from them.
        parts = [wanted[start : start + AT_A_TIME] for start in range(0, len(wanted), AT_A_TIME)]
        with ThreadPoolExecutor(READERS) as pool:
            files = chain.from_iterable(pool.map(lambda part: [self._fetch(key) for key in part], parts))
            for key, (name, content) in zip(wanted, files, strict=True):
                try:
                    found[key] = self._decoded(key, name, content)
                except BrokenCellError as error:
                    after = f"{self.set_aside(name)}; `madv sweep` trains its fold again"
                    problems += [replace(one, message=f"{one.message}: {after}") for one in error.problems]
                except CellError as error:
                    problems += error.problems
        return found, problems

    def _fetch(self, key: str) -> tuple[str, bytes | None]:
        """Name of the file that holds the cell, and its content."""
        for name in (key + DONE, key + FAILED):
            content = self.folder.get(name)
            if content is not None:
                return name, content
        return "", None

    def _decoded(self, key: str, name: str, content: bytes | None) -> Cell:
        from orchestration.cell_file import decode

        if content is None:
            raise CellError([Problem(place=str(self.folder), message=f"there is no cell {key[:12]}")])
        return decode(content, key, f"{self.folder}/{name}")
