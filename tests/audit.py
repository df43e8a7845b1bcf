"""`make audit`: which locked packages have known vulnerabilities, by pip-audit in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SILENT = "nothing was audited: the vulnerability service of the package index does not answer here"


def verdict(report: dict[str, Any]) -> tuple[list[str], int]:
    """Lines to print and the exit code: 0 none known, 1 some, 2 nothing could be asked.

    Args:
        report: pip-audit's, as JSON.
    """
    packages = report.get("dependencies", [])
    asked = [one for one in packages if "vulns" in one]
    if not asked:
        return [SILENT], 2
    lines = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version yet'}"
        for one in asked
        for hole in one["vulns"]
    ]
    unasked = [one["name"] for one in packages if "vulns" not in one]
    said = [f"not known to the service: {', '.join(unasked)}"] if unasked else []
    return [*lines, *said, f"{len(asked)} packages audited, {len(lines)} vulnerabilities"], 1 if lines else 0


def main(program: str) -> int:
    """Ask for the lock file as it is: nothing is installed or resolved."""
    options = ["--requirement", "requirements.lock", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run([program, *options, "--format", "json"], capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {}
    lines, code = verdict(report)
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
