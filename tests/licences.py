"""`make licences`: docs/licences.md, the licence of every package of requirements.lock, as its own metadata has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "docs" / "licences.md"
COPYLEFT = re.compile(r"GPL|MPL|EPL|CDDL|Mozilla|General Public", re.IGNORECASE)
CLASSIFIER = "License :: OSI Approved :: "
LONGEST = 60
"""Characters; some packages have the whole text where its name belongs."""


def locked() -> Iterator[tuple[str, str]]:
    """Name and version of each line of the lock file."""
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if found := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line):
            yield found.group(1), found.group(2)


def licence(name: str) -> str:
    """What an installed package says of itself, in a line."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return "not installed here"
    expression = said.get("License-Expression") or ""
    classified = [one.removeprefix(CLASSIFIER) for one in said.get_all("Classifier", []) if one.startswith(CLASSIFIER)]
    stated = (said.get("License") or "").strip()
    short = stated if len(stated) <= LONGEST and "\n" not in stated else ""
    return expression or "; ".join(classified) or short or "see the package"


def page() -> str:
    """The list in Markdown, those with copyleft first."""
    rows = [(name, version, licence(name)) for name, version in locked()]
    copyleft = [row for row in rows if COPYLEFT.search(row[2])]
    lines = [
        "# Licences of the dependencies",
        "",
        "Made by `make licences` from the installed packages' own metadata. None of them is part of this repository.",
        "",
        f"With copyleft, in whole or in part: {', '.join(name for name, _, _ in copyleft) or 'none'}.",
        "",
        "| package | version | licence |",
        "|:---|:---|:---|",
        *(f"| {name} | {version} | {said.replace('|', '/')} |" for name, version, said in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(page(), encoding="utf-8")
