"""The page of a network's cost: one HTML file that opens from disk and asks the network for nothing."""

from __future__ import annotations

from typing import Any

from dashboards import complexity, html, text

SECTIONS = {"frames": "Growth with frames", "height": "Growth with height and width", "tokens": "Growth with tokens"}


def complexity_page(cost: dict[str, Any]) -> str:
    """The whole page.

    Args:
        cost: what `madv complexity --format json` prints: title, overrides, shapes, parameters, macs, modules, formula,
            latency_s, peak_memory, batch, device, threads; with growth, whose curves are drawn.
    """
    drawn = complexity.figures(cost["growth"])
    flat = [figure for group in drawn.values() for figure in group]
    return html.render(
        "complexity.html.j2",
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
        downloads={figure.name: html.download(figure.data) for figure in flat},
        figures_json=html.figures_json(flat),
        style=html.asset("page.css"),
        plotly=html.asset("plotly-basic.min.js"),
        script=html.asset("page.js"),
    )
