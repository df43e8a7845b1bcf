"""What users and storage hand in, by kind: how to make up inputs, and how the program takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from damage import TEXTS, damaged
from hostile_cells import cells, read_cell, sound_cells
from hostile_names import KEY, record
from hostile_storage import (
    EVENTS,
    STATE,
    WEIGHTS,
    addresses_of_storage,
    lines,
    logs,
    network,
    networks,
    open_address,
    read_logs,
    read_network,
)
from hostile_tables import ESTIMATES, SHEETS, read_estimates, read_sheet, read_table, sound_tables, tables
from hypothesis import strategies as st
from test_sweep_files import SWEEPS, described

from orchestration.nightly_file import is_nightly, load_nightly
from orchestration.plan import expand
from orchestration.spec import load_spec

RECORDED = [kind for kind in SHEETS if kind != "manifest"]


class Kind(NamedTuple):
    """One kind of input."""

    sound: Callable[[], Sequence[Any]]
    """Inputs that are read; the first ones also import what reading needs."""
    inputs: Callable[[], st.SearchStrategy[Any]]
    take: Callable[[Path, Any], None]
    """Read an input with the help of a folder; what it is refused with names a file in it."""


LARGE = ("ablate_design.yaml", "compare")
"""Whose variants alone take seconds to compose."""


def _sweep_files() -> list[bytes]:
    files = sorted(SWEEPS.glob("*.yaml"))
    return [file.read_bytes() for file in files if not file.name.startswith(LARGE)]


def _plan(folder: Path, content: bytes) -> None:
    """Up to what `madv plan` prints."""
    file = folder / "hostile.yaml"
    file.write_bytes(content)
    if is_nightly(file):
        load_nightly(file)
    else:
        expand(load_spec(file), described, lambda config: "code")


KINDS = {
    "sweep files": Kind(_sweep_files, lambda: damaged(_sweep_files()) | st.text(max_size=200).map(str.encode), _plan),
    "annotation sheets": Kind(lambda: sound_tables(RECORDED), lambda: tables(RECORDED), read_sheet),
    "manifests": Kind(lambda: sound_tables(["manifest"]), lambda: tables(["manifest"]), read_table),
    "OpenFace CSVs": Kind(lambda: ESTIMATES[:1], lambda: damaged(ESTIMATES), read_estimates),
    "cells": Kind(sound_cells, cells, read_cell),
    "networks": Kind(lambda: [network(WEIGHTS, STATE)], networks, read_network),
    "logs": Kind(lambda: [(None, lines(EVENTS)), (KEY, lines(EVENTS))], logs, read_logs),
    "addresses": Kind(lambda: [("", "store"), ("file://", "store")], addresses_of_storage, open_address),
    "MLflow names": Kind(lambda: [("depth", "on", "joy")], lambda: st.tuples(TEXTS, TEXTS, TEXTS), record),
}
