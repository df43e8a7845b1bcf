"""A pre-trained encoder: taken out of a network, put into another, and as bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as schemas
from torch import nn

from madv.errors import MadvError, Problem

ENCODER = ("streams.", "fuse_")
"""What the parameters of MADV-Net's streams and of their fusion begin with; other networks say so themselves."""
OWN = ("decode", "unit_weight", "unit_bias", "emotion", "dropping")
"""Parts of a stream that a variant has for its own loss or its own token dropping: they start afresh."""
HEADER = "madv"
"""Metadata key of the JSON with everything that is no tensor."""
DIGEST = "madv_sha256"
"""Metadata key of the SHA-256 of header and tensors."""
_NUMBER = schemas.float_schema(strict=True)
_CURVES = schemas.dict_schema(values_schema=schemas.list_schema(_NUMBER))
_REST = SchemaValidator(
    schemas.typed_dict_schema(
        {
            "history": schemas.typed_dict_field(schemas.dict_schema(values_schema=_CURVES)),
            "seconds": schemas.typed_dict_field(_NUMBER),
            "clips": schemas.typed_dict_field(schemas.int_schema(strict=True)),
        },
        extra_behavior="forbid",
    )
)
"""Fields of Pretrained that are no tensors."""


class PretrainedError(MadvError):
    """A file that is no pre-trained encoder, or the encoder of another network."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pretrained:
    """What pre-training for one fold leaves behind."""

    state: dict[str, torch.Tensor]
    """Parameters and buffers of the encoder by name, on the CPU."""
    history: dict[str, dict[str, list[float]]]
    """By stage ("masked", "supervised") and name, one value an epoch; a stage that was left out is not there."""
    seconds: float
    """Wall time."""
    clips: int
    """Different clips that were seen, of both data sets."""


def encoder_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the encoder's parameters and buffers, without heads, on the CPU."""
    state = network.state_dict()
    return {name: state[name].detach().cpu().clone() for name in state if _is_encoder(network, name)}


def load_pretrained(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Set the encoder of a network; heads stay as they are.

    Raises:
        PretrainedError: the names or shapes are not those of this network's encoder.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if _is_encoder(network, name)}
    problems = [_problem(name, "is missing in the pre-trained weights") for name in own if name not in state]
    problems += [_problem(name, "is pre-trained, but not in this network") for name in state if name not in own]
    for name in own:
        if name in state and own[name].shape != state[name].shape:
            message = f"is {tuple(own[name].shape)} here and {tuple(state[name].shape)} in the pre-trained weights"
            problems.append(_problem(name, message))
    if problems:
        raise PretrainedError(problems)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _is_encoder(network: nn.Module, name: str) -> bool:
    parts = getattr(network, "encoder_parts", ENCODER)
    return name.startswith(parts) and not any(part in OWN for part in name.split("."))


def encode(pretrained: Pretrained) -> bytes:
    """A safetensors file; history, seconds and clips as JSON in its metadata."""
    from safetensors.torch import save

    state = {name: tensor.contiguous() for name, tensor in pretrained.state.items()}
    rest = {"history": pretrained.history, "seconds": pretrained.seconds, "clips": pretrained.clips}
    header = json.dumps(rest, sort_keys=True)
    content: bytes = save(state, metadata={HEADER: header, DIGEST: _digest(header, state)})
    return content


def decode(content: bytes, place: str) -> Pretrained:
    """The pre-trained encoder of a file.

    Args:
        content: of the file.
        place: the file, for messages.

    Raises:
        PretrainedError: the file was cut off or altered, or is none of ours.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state: dict[str, torch.Tensor] = load(content)
        length = int.from_bytes(content[:8], "little")  # of the header, which load() keeps to itself
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        header, digest = metadata[HEADER], metadata[DIGEST]
        intact = digest == _digest(header, state)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise _file_error(place, "was cut off or is no pre-trained encoder of ours") from None
    if not intact:
        raise _file_error(place, "was altered after it was written")
    try:
        return Pretrained(state=state, **_REST.validate_json(header))
    except ValidationError:
        raise _file_error(place, "was written by another version of this program") from None


def _digest(header: str, state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256, in hexadecimal, of what a reader gets; independent of the order of tensors in the file."""
    content = hashlib.sha256(header.encode())
    for name in sorted(state):
        tensor = state[name]
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        content.update(tensor.numpy().tobytes())
    return content.hexdigest()


def _file_error(place: str, message: str) -> PretrainedError:
    return PretrainedError([Problem(place=place, message=f"{message}; delete it and it is trained again")])


def _problem(name: str, message: str) -> Problem:
    return Problem(place=name, message=message)
