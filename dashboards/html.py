"""What the pages share: templates, the files that are put into them, figures and tables to download."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from dashboards import tables
from dashboards.drawing import Figure

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template
    from markupsafe import Markup


def render(template: str, **fields: Any) -> str:
    """The page of a template below templates/; what is not marked as markup is escaped."""
    return _template(template).render(**fields)


@cache
def asset(name: str) -> Markup:
    """A file below assets/, to stand in a page as it is: it is the project's own."""
    from markupsafe import Markup

    return Markup((files("dashboards") / "assets" / name).read_text(encoding="utf-8"))


def figures_json(drawn: Iterable[Figure]) -> Markup:
    """The figures for the script: JSON in which no sign can end a script element."""
    from markupsafe import Markup

    records = [{"name": figure.name, "traces": figure.traces, "layout": figure.layout} for figure in drawn]
    written = json.dumps(records, allow_nan=False, separators=(",", ":"))
    return Markup(written.replace("<", "\\u003c"))


def download(data: pd.DataFrame) -> str:
    """A table as the address of a CSV file that is in the page itself."""
    content = base64.b64encode(tables.csv(data).encode(errors="backslashreplace")).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, StrictUndefined

    source = (files("dashboards") / "templates" / name).read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(source)
