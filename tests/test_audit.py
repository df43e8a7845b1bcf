"""What `make audit` says of pip-audit's report; nothing asked is not nothing found."""

from __future__ import annotations

from tests.audit import SILENT, verdict


def test_holes_are_named_with_the_version_that_mends_them() -> None:
    hole = {"id": "CVE-1", "fix_versions": ["2.1"], "aliases": [], "description": "x"}
    sound = {"name": "a", "version": "1", "vulns": []}
    report = {
        "dependencies": [sound, {"name": "b", "version": "2", "vulns": [hole]}, {"name": "c", "skip_reason": "x"}]
    }
    assert verdict(report) == (
        ["b 2: CVE-1, mended in 2.1", "not known to the service: c", "2 packages audited, 1 vulnerabilities"],
        1,
    )
    assert verdict({"dependencies": [sound]}) == (["1 packages audited, 0 vulnerabilities"], 0)


def test_a_service_that_knows_nothing_is_no_clean_bill() -> None:
    assert verdict({"dependencies": [{"name": "a", "skip_reason": "not found"}]}) == ([SILENT], 2)
    assert verdict({}) == ([SILENT], 2)
