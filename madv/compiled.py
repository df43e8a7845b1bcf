"""torch.compile as a setting: where it does not work, a network goes on without it, and says so once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def compiled(network: nn.Module, say: Callable[[str], None], backend: str = "inductor") -> Callable[..., Any]:
    """The network's call, compiled when it is first made, backward too. The network itself stays as it is.

    On a GPU the kernels are recorded and replayed as CUDA graphs, so a result is to be used before the next call.

    Args:
        network: on its device.
        say: takes one message if there is no compiler or it fails; the network is then called as it is.
        backend: of torch.compile.
    """
    from torch._dynamo.exc import TorchDynamoException  # takes seconds to import

    graphs = backend == "inductor" and any(parameter.is_cuda for parameter in network.parameters())
    fast: Callable[..., Any] | None
    fast = torch.compile(network, backend=backend, mode="reduce-overhead" if graphs else None)

    def call(*inputs: Any) -> Any:
        nonlocal fast
        if fast is None:
            return network(*inputs)
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()
        try:
            return fast(*inputs)
        except TorchDynamoException as error:
            outputs = network(*inputs)  # raises again what is the network's own error, not the compiler's
            fast = None
            say(f"train.compile: going on without the compiler: {_reason(error)}")
            return outputs

    return call


def _reason(error: BaseException) -> str:
    """The first line of what went wrong; the others are advice for the compiler's developers."""
    inner = getattr(error, "inner_exception", None) or error
    return next((line.strip() for line in str(inner).splitlines() if line.strip()), type(inner).__name__)
