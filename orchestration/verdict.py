"""What a report says, kept beside it for those that pass it on: the verdict, and each variant's difference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from madv.errors import MadvError, Problem
from madv.whole_file import write_whole

FILE = "verdict.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One variant against the reference, in the sweep's metric."""

    difference: float | None
    low: float | None
    high: float | None
    p_holm: float | None
    """Adjusted for all comparisons of the report."""
    verdict: str
    """helps, hurts, equivalent, inconclusive or reference; empty where nothing was compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A report in short; its texts are plain, with no markup."""

    headline: str
    warnings: tuple[str, ...] = ()
    """What must be read before any number."""
    findings: Mapping[str, Finding] = field(default_factory=dict)
    """By variant."""


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Write it into the folder of the report, whole or not at all."""
    write_whole(folder / FILE, json.dumps(asdict(verdict), indent=1))


def read_verdict(folder: Path) -> Verdict | None:
    """The verdict of the report in this folder; None if there is none.

    Raises:
        MadvError: it cannot be read.
    """
    try:
        plain = json.loads((folder / FILE).read_text(encoding="utf-8"))
        findings = {name: Finding(**one) for name, one in plain["findings"].items()}
        return Verdict(headline=plain["headline"], warnings=tuple(plain["warnings"]), findings=findings)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        problem = Problem(place=str(folder / FILE), message="cannot be read; write the report once more")
        raise MadvError([problem]) from None
