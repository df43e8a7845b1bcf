"""The trained network of a fold as a safetensors file, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from madv.errors import MadvError, Problem
from madv.fold_result import FoldResult
from madv.pretrained import Pretrained, PretrainedError, decode, encode

TRAINING, AGAIN, MOVED = "training", "again", "moved"


class CheckpointError(MadvError):
    """A file that is no checkpoint, or that of another network."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A trained network."""

    state: dict[str, torch.Tensor]
    """Parameters and buffers by name, on the CPU."""
    moved: float | None
    """By how much its largest probability differs from the cell's; None: it was kept when the cell was trained."""


def as_file(network: nn.Module, result: FoldResult, cell: npt.NDArray[np.float32] | None) -> bytes:
    """A safetensors file with the digest of its content.

    Args:
        network: after its last prediction.
        result: of its training.
        cell: (n, C) probabilities of the cell that it is trained again for; None: it is the cell's own training.
    """
    state = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    history = {TRAINING: result.history}
    if cell is not None:
        history[AGAIN] = {MOVED: [float(np.abs(result.probabilities - cell).max(initial=0))]}
    return encode(Pretrained(state=state, history=history, seconds=result.seconds, clips=len(result.sample_id)))


def from_file(content: bytes, place: str) -> Checkpoint:
    """The checkpoint of a file.

    Args:
        content: of the file.
        place: the file, for messages.

    Raises:
        CheckpointError: the file was cut off or altered, or is none of ours.
    """
    try:
        held = decode(content, place)
        again = held.history.get(AGAIN)
        held.history[TRAINING]
        return Checkpoint(state=held.state, moved=None if again is None else again[MOVED][0])
    except (PretrainedError, KeyError, IndexError):
        message = "was cut off or altered, or is no checkpoint; `madv sweep` trains its fold once more"
        raise CheckpointError([Problem(place=place, message=message)]) from None
