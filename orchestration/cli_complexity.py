"""`madv complexity`: what a network costs, module by module, beside the paper's formula."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madv.compose import compose
from madv.config_data import FramesConfig, Megc2019Config
from madv.config_model import STREAMS
from madv.config_synthetic import SyntheticConfig

if TYPE_CHECKING:
    from madv.complexity import Complexity
    from madv.config import Config

FLOW_IMAGE = (1, 28, 28)
"""A clip of MEGC2019's optical flow: (T, H, W)."""
UNITS = {"openface": 17, "pyfeat": 20}
"""Action units that the estimators give intensities of."""
SMALL = 0.01
"""Share of parameters and of MACs below which the table lumps modules together."""
TOTAL = "total"


def complexity(
    overrides: Sequence[str],
    *,
    shape: tuple[int, int, int] | None = None,
    batch: int = 1,
    depth: int = 3,
    as_json: bool = False,
    out: Path | None = None,
) -> int:
    """Measure and print; with a folder, write complexity.json and complexity.html with the growth curves.

    Args:
        overrides: settings.
        shape: (T, H, W) of a clip in place of the data set's; then every stream is there.
        batch: clips that latency and memory are measured with.
        depth: names of a module that is a row of its own.
        as_json: print JSON instead of tables.
        out: folder, made if absent.
    """
    config = compose(overrides)
    shapes, num_classes = clip_shapes(config, shape)
    from madv.complexity import measure

    measured = measure(config, shapes, num_classes, batch)
    cost = plain(measured, depth) | {"title": _title(config, shapes), "overrides": list(overrides), "shapes": shapes}
    if as_json:
        print(json.dumps(cost, indent=1))
    else:
        _print(cost, Console())
    if out is not None:
        _write(cost, config, shapes, num_classes, out)
    return 0


def clip_shapes(config: Config, shape: tuple[int, int, int] | None = None) -> tuple[dict[str, tuple[int, ...]], int]:
    """Shape of one clip of each stream that the network reads, and the number of classes, from the settings alone.

    Streams that the data set does not have are left out.
    """
    from madv.data.action_units import AU_NAMES
    from madv.data.au_flow import NAMES

    data = config.dataset
    units, has, num_classes = len(AU_NAMES), set(STREAMS), 3
    if isinstance(data, SyntheticConfig):
        size, num_classes = (data.frames, data.size, data.size), len(data.classes)
    elif isinstance(data, Megc2019Config):
        size, has = FLOW_IMAGE, {"texture"}
    else:
        assert isinstance(data, FramesConfig)
        size = (data.clip.frames, data.clip.size, data.clip.size)
        num_classes = getattr(data, "classes", num_classes)
        units = UNITS.get(data.au.source, len(NAMES))
        has -= {name for name, source in (("depth", data.depth.source), ("au", data.au.source)) if source == "none"}
    if shape is not None:
        size, has = shape, set(STREAMS)
    whole: dict[str, tuple[int, ...]] = {"texture": (3, *size), "depth": (1, *size), "au": (units, size[0])}
    wanted = config.reads()
    return {name: whole[name] for name in wanted if name in has}, num_classes


def plain(measured: Complexity, depth: int) -> dict[str, Any]:
    """A measurement as plain values, its modules rolled up to rows: name, parameters, macs."""
    from madv.counting import rolled_up

    values = asdict(measured)
    parameters = rolled_up(values.pop("parameters_by_module"), depth)
    macs = rolled_up(values.pop("macs_by_module"), depth)
    values["modules"] = [
        {"name": name, "parameters": parameters[name], "macs": macs[name]}
        for name in macs
        if parameters[name] or macs[name]
    ]
    return values


def _title(config: Config, shapes: dict[str, tuple[int, ...]]) -> str:
    name = "MADV-Net" if config.method.name == "madv_net" else config.method.name
    return f"{name} at {', '.join(f'{stream} {_times(shape)}' for stream, shape in shapes.items())}"


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _print(cost: dict[str, Any], console: Console) -> None:
    from dashboards.complexity import ratio
    from dashboards.text import amount, count

    console.print(Text(cost["title"], style="bold"))
    console.print(_table(("module", "parameters", "MACs a clip", "share"), _module_rows(cost)))
    if cost["formula"]:
        heads = ("encoder", "L", "d", "N", "Eq. 25", "joint, exact", "measured", "/ Eq. 25")
        rows = [
            (
                row["name"].removeprefix("streams.").removesuffix(".encoder"),
                *(f"{row[name]:,}" for name in ("tokens", "width", "blocks")),
                *(amount(row[name]) for name in ("paper", "linear", "measured")),
                ratio(row["measured"], row["paper"]),
            )
            for row in cost["formula"]
        ]
        sums = {name: sum(row[name] for row in cost["formula"]) for name in ("paper", "linear", "measured")}
        rows.append((TOTAL, "", "", "", *map(amount, sums.values()), ratio(sums["measured"], sums["paper"])))
        console.print(_table(heads, rows))
    where = f"{cost['device']}, {count(cost['threads'], 'thread')}" if cost["threads"] else cost["device"]
    line = (
        f"latency {cost['latency_s'] * 1e3:.3g} ms a clip, peak memory {cost['peak_memory'] / 2**20:,.1f} MiB "
        f"({where}; {count(cost['batch'], 'clip')} at a time)"
    )
    console.print(line, highlight=False)


def _module_rows(cost: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Modules that matter, the others together, and the total."""
    from dashboards.text import amount, count

    def row(name: str, parts: Sequence[dict[str, Any]]) -> tuple[str, str, str, str]:
        parameters, macs = (sum(part[key] for part in parts) for key in ("parameters", "macs"))
        return (name, amount(parameters), amount(macs), f"{100 * macs / max(1, cost['macs']):.1f} %")

    small = [
        part
        for part in cost["modules"]
        if part["macs"] < SMALL * cost["macs"] and part["parameters"] < SMALL * cost["parameters"]
    ]
    rows = [row(part["name"] or "(the network itself)", [part]) for part in cost["modules"] if part not in small]
    if small:
        rows.append(row(f"{count(len(small), 'module')} below {SMALL:.0%} each", small))
    return [*rows, (TOTAL, f"{cost['parameters']:,}", f"{cost['macs']:,}", "")]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=not place)
    for row in rows:
        table.add_row(*map(Text, row), style="bold" if row[0] == TOTAL else "")
    return table


def _write(
    cost: dict[str, Any], config: Config, shapes: dict[str, tuple[int, ...]], num_classes: int, folder: Path
) -> None:
    import sys

    from dashboards.complexity_page import complexity_page
    from madv.growth import growth

    cost["growth"] = [asdict(point) for point in growth(config, shapes, num_classes)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "complexity.json").write_text(json.dumps(cost, indent=1) + "\n", encoding="utf-8")
    (folder / "complexity.html").write_text(complexity_page(cost), encoding="utf-8")
    print(f"madv: wrote {folder / 'complexity.json'} and {folder / 'complexity.html'}", file=sys.stderr)
