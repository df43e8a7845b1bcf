"""`madv methods`: every network that can be trained, with its size at the input it was published for."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

CLASSES = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
"""The counts in the literature are for seven classes; "neutral" switches NR-DFERNet's filter on."""
PAPER = (16, 112, 112)
"""MADV-Net's input, frames x height x width."""


def methods(*, as_json: bool) -> int:
    """Print name, parameters, multiply-accumulates of a clip, input and source of each method."""
    rows = [_madv_net(), *_published()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("method", "parameters", "GMAC a clip", "input", "source"):
        table.add_column(name, justify="right" if name in ("parameters", "GMAC a clip") else "left")
    for row in rows:
        shape = "x".join(map(str, row["input"]))
        table.add_row(row["name"], f"{row['parameters']:,}", f"{row['macs'] / 1e9:.2f}", shape, row["source"])
    Console(width=120).print(table)
    return 0


def _published() -> list[dict[str, Any]]:
    """Counted from the networks themselves, on tensors without content."""
    import torch

    from madv.config_method import MethodConfig
    from madv.counting import count_macs
    from madv.methods.build import build_method
    from madv.methods.table import METHODS

    rows = []
    for name, method in METHODS.items():
        with torch.device("meta"):
            network = build_method(MethodConfig(name=name), 3, method.published, CLASSES).eval()  # type: ignore[arg-type]
            macs = count_macs(network, torch.empty(1, 3, *method.published))
        rows.append(_row(name, network, sum(macs.values()), method.published, method.source))
    return rows


def _madv_net() -> dict[str, Any]:
    import torch

    from madv.compose import compose
    from madv.counting import count_macs
    from madv.model.network import MADVNet, initialise

    config = compose(["model=madv_base"])
    shapes: dict[str, tuple[int, ...]] = {"texture": (3, *PAPER), "depth": (1, *PAPER), "au": (17, PAPER[0])}
    network = MADVNet(config.model, config.loss, shapes, len(CLASSES)).eval()
    initialise(network, "0")
    macs = count_macs(network, {name: torch.zeros(1, *shape) for name, shape in shapes.items()})
    return _row("madv_net", network, sum(macs.values()), PAPER, "Kong et al., Sensors 2025 (model=madv_base)")


def _row(name: str, network: Any, macs: int, shape: tuple[int, int, int], source: str) -> dict[str, Any]:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return {"name": name, "parameters": parameters, "macs": macs, "input": list(shape), "source": source}
