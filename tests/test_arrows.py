"""Which folder may import which, and which modules stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("madv", "orchestration", "dashboards", "sweeps")
FOR_DASHBOARDS = ("orchestration.cells", "madv.metrics", "madv.errors", "madv.modes", "madv.whole_file")
LIGHT = ("madv.config", "madv.compose", "orchestration.spec", "orchestration.plan", "orchestration.cells")


def modules(folder: str) -> dict[str, Path]:
    """Path of each module of a folder by its dotted name."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return dict(zip(names, paths, strict=True))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import of our own code, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the import in full"
            # "from orchestration import cells" names a module, "from orchestration.cells import Cell" a thing in one.
            is_module = [(ROOT / f"{node.module}.{alias.name}".replace(".", "/")) for alias in node.names]
            names = [
                f"{node.module}.{alias.name}" if one.with_suffix(".py").is_file() or one.is_dir() else str(node.module)
                for alias, one in zip(node.names, is_module, strict=True)
            ]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.partition(".")[0] in FOLDERS)


def may_import(module: str, imported: str) -> bool:
    """The arrows of the design."""
    folder, target = module.partition(".")[0], imported.partition(".")[0]
    if folder == target:
        return True
    if folder == "orchestration":
        return target == "madv" or (target == "dashboards" and module.startswith("orchestration.cli"))
    return folder == "dashboards" and imported in FOR_DASHBOARDS


@pytest.mark.parametrize(
    ("module", "imported", "allowed"),
    [
        ("madv.train", "madv.config", True),
        ("madv.train", "orchestration.cells", False),
        ("orchestration.plan", "madv.compose", True),
        ("orchestration.plan", "dashboards.report", False),
        ("orchestration.cli", "dashboards.report", True),
        ("dashboards.report", "orchestration.cells", True),
        ("dashboards.report", "orchestration.plan", False),
        ("dashboards.report", "madv.config", False),
    ],
)
def test_the_rule_itself(module: str, imported: str, allowed: bool) -> None:
    assert may_import(module, imported) is allowed


@pytest.mark.parametrize("folder", FOLDERS)
def test_arrows(folder: str) -> None:
    found = modules(folder)
    assert found
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module} must not import {imported}"
        for module, path in found.items()
        for line, imported in imports(path)
        if not may_import(module, imported)
    ]
    assert not wrong, "\n".join(wrong)


def loaded_after(names: list[str], heavy: tuple[str, ...]) -> list[str]:
    """Which of the heavy packages a fresh interpreter has loaded after importing the modules."""
    script = f"import sys, {', '.join(names)}\nprint(*(name for name in {heavy!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_light_imports() -> None:
    assert loaded_after([*LIGHT, *modules("dashboards")], ("torch", "ray")) == []


def test_planning_imports_are_lighter_still() -> None:
    heavy = ("torch", "ray", "mlflow", "pyarrow", "pandas", "hydra")
    assert loaded_after([name for name in LIGHT if name.startswith("orchestration")], heavy) == []
