"""Count what a call of a network computes, module by module, and the memory that it holds.

One multiply-accumulate (MAC) is two floating-point operations. Matrix products, convolutions, attention and recurrent
layers are counted as they are computed, a masked product whole; sums, norms and activations are not, as is usual.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Size = tuple[int, ...]


def count_macs(module: nn.Module, *inputs: Any) -> dict[str, int]:
    """MACs of a call by the module that computes them, "" for the module itself; they add up to the total."""
    counter = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    flops = {name: 0 for name, _ in module.named_modules()}
    running, counted = [""], 0

    def settle() -> None:
        nonlocal counted
        total = counter.get_total_flops()
        flops[running[-1]] += total - counted
        counted = total

    def enter(name: str) -> None:
        settle()
        running.append(name)

    def leave() -> None:
        settle()
        running.pop()

    hooks = []
    for name, part in module.named_modules():
        hooks.append(part.register_forward_pre_hook(lambda *_, name=name: enter(name)))
        hooks.append(part.register_forward_hook(lambda *_: leave()))
    # The counter trips over views of parameters that ask for a gradient.
    asking = [parameter for parameter in module.parameters() if parameter.requires_grad]
    module.requires_grad_(False)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole layer, which the counter cannot see into
    try:
        with torch.no_grad(), counter:
            module(*inputs)
        settle()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
        for parameter in asking:
            parameter.requires_grad_()
    return {name: value // 2 for name, value in flops.items()}


def rolled_up(by_module: Mapping[str, int], depth: int) -> dict[str, int]:
    """Modules at most `depth` names deep, each with all that is in it: {"a": 1, "a.b": 2} -> {"a": 3} at depth 1."""
    rolled: dict[str, int] = {}
    for name, value in by_module.items():
        top = ".".join(name.split(".")[:depth])
        rolled[top] = rolled.get(top, 0) + value
    return rolled


def peak_allocation(run: Callable[[], object], device: torch.device) -> int:
    """The most bytes that a call holds at once beside what is there before it, by PyTorch's own allocator.

    On a CPU the profiler records every allocation, buffers inside operators too; what oneDNN and BLAS allocate for
    themselves is not among them.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else it reports its start and end on standard error
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    held = peak = 0
    for change in sorted((e["args"] for e in events if e["name"] == "[memory]"), key=lambda change: change["Ev Idx"]):
        held += change["Bytes"]
        peak = max(peak, held)
    return peak


def _attention_flops(query: Size, key: Size, value: Size, *_: object, **__: object) -> int:
    batch, heads, length, width = query
    return 2 * batch * heads * length * key[2] * (width + value[3])


def _vector_flops(matrix: Size, *_: object, **__: object) -> int:
    return 2 * math.prod(matrix)


def _mkldnn_rnn_flops(x: Size, w_input: Size, w_hidden: Size, *_: object, **__: object) -> int:
    return 2 * math.prod(x[:-1]) * (math.prod(w_input) + math.prod(w_hidden))


def _cudnn_rnn_flops(x: Size, weights: list[Size], *_: object, **__: object) -> int:
    return 2 * math.prod(x[:-1]) * sum(math.prod(weight) for weight in weights if len(weight) == 2)


# From shapes to floating-point operations, for operators that torch's counter passes over.
_FORMULAS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    torch.ops.aten._scaled_dot_product_fused_attention_overrideable: _attention_flops,
    torch.ops.aten.mv: _vector_flops,
    torch.ops.aten.dot: _vector_flops,
    torch.ops.aten.mkldnn_rnn_layer: _mkldnn_rnn_flops,
    torch.ops.aten._cudnn_rnn: _cudnn_rnn_flops,
}
