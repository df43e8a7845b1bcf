"""No source of ours runs what it reads: no pickle, no unsafe YAML, no eval, no shell, no `_target_`; none unpacks."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for room in ("madv", "orchestration", "dashboards", "sweeps") for path in (ROOT / room).rglob("*.py")]
NEVER = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "shutil.unpack_archive",
    "tarfile.open",
    "hydra.utils.instantiate",
    "instantiate",
}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}


def forbidden(source: str) -> list[str]:
    """What of `source` could run what it reads, e.g. ["3: eval"]."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"{node.lineno}: {name}" for name in names if name.split(".")[0] in PICKLES]
        if isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {word.arg: word.value for word in node.keywords}
            if name in NEVER or name.endswith((".extractall", ".extract", ".read_pickle")):
                found.append(f"{node.lineno}: {name}")
            if name in NEEDED and not is_constant(given.get(NEEDED[name][0]), NEEDED[name][1]):
                found.append(f"{node.lineno}: {name}")
            if "shell" in given and not is_constant(given["shell"], False):
                found.append(f"{node.lineno}: {name} with a shell")
    return found


def is_constant(node: ast.expr | None, value: bool) -> bool:
    """Whether `node` is literally `value`."""
    return isinstance(node, ast.Constant) and node.value is value


def test_no_source_runs_what_it_reads() -> None:
    """And there are sources: an empty list would pass."""
    assert len(SOURCES) > 100
    found = {str(path.relative_to(ROOT)): forbidden(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import loads",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file, allow_pickle=True)",
        "np.load(file)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
        "archive.extractall(folder)",
        "archive.extract(member, folder)",
        "tarfile.open(file)",
        "instantiate(config)",
        "pd.read_pickle(file)",
    ],
)
def test_each_of_these_would_be_found(source: str) -> None:
    """One line of each kind."""
    assert len(forbidden(source)) == 1
