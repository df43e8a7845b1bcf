"""The page of a network's cost: one HTML file that opens from disk and asks the network for nothing."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any

from dashboards import complexity, tables, text

SECTIONS = {"frames": "Growth with frames", "height": "Growth with height and width", "tokens": "Growth with tokens"}


def complexity_page(cost: dict[str, Any]) -> str:
    """The whole page.

    Args:
        cost: what `madv complexity --format json` prints: title, overrides, shapes, parameters, macs, modules, formula,
            latency_s, peak_memory, batch, device, threads; with growth, whose curves are drawn.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("dashboards")
    drawn = complexity.figures(cost["growth"])
    flat = [figure for group in drawn.values() for figure in group]
    records = [{"name": figure.name, "traces": figure.traces, "layout": figure.layout} for figure in flat]
    written = json.dumps(records, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        (folder / "templates" / "complexity.html.j2").read_text(encoding="utf-8")
    )
    assets = {name: (folder / "assets" / name).read_text(encoding="utf-8") for name in _ASSETS}
    return template.render(
        cost=cost,
        facts=[
            (text.amount(cost["parameters"]), "parameters"),
            (text.amount(cost["macs"]), "multiply-accumulates a clip"),
            (f"{cost['latency_s'] * 1e3:.3g} ms", "a clip"),
            (f"{cost['peak_memory'] / 2**20:,.0f} MiB", "peak memory"),
        ],
        where=f"{cost['device']}, {text.count(cost['threads'], 'thread')}" if cost["threads"] else cost["device"],
        amount=text.amount,
        ratio=complexity.ratio,
        sections=[(axis, SECTIONS[axis], group) for axis, group in drawn.items()],
        downloads={figure.name: _download(tables.csv(figure.data)) for figure in flat},
        # These are the project's own files and JSON without a single <, so they are not escaped.
        figures_json=Markup(written),
        style=Markup(assets["page.css"]),
        plotly=Markup(assets["plotly-basic.min.js"]),
        script=Markup(assets["page.js"]),
    )


_ASSETS = ("page.css", "page.js", "plotly-basic.min.js")


def _download(table: str) -> str:
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(table.encode()).decode()}"
