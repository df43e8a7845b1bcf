"""The store of trained networks: one file a cell, under the cell's key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestration.folders import patiently
from orchestration.weights import WeightStore

if TYPE_CHECKING:
    from torch import nn

    from madv.fold_result import FoldResult
    from orchestration.cells import CellStore

FOLDER = "checkpoints"


class CheckpointStore(WeightStore):
    """Networks under a folder or a URI; one that could not be made holds its traceback."""

    noun = "checkpoint"

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root, FOLDER)


def keep(
    checkpoints: CheckpointStore, cells: CellStore, key: str, network: nn.Module, result: FoldResult, *, again: bool
) -> None:
    """Store the network of a fold, before its cell: a cell that is done has its checkpoint.

    Args:
        checkpoints, cells: where they are.
        key: of the cell.
        network: trained.
        result: of training.
        again: whether the cell is there already, and its predictions tell what was trained.
    """
    from madv.checkpoint import as_file

    patiently(checkpoints.finish, key, as_file(network, result, cells.read(key).probabilities if again else None))
