"""What `madv doctor` looks at on this machine: the interpreter, versions, the GPU, memory, disks and limits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

State = Literal["ok", "warning", "problem"]
LOCK = Path(__file__).parents[1] / "requirements.lock"
OLDEST = (3, 11)
DECISIVE = ("ray", "torch", "mlflow", "optuna", "numpy", "pandas", "pyarrow", "hydra-core", "safetensors")
"""Packages whose other versions behave otherwise, or are not read by ours."""
ASKED_TORCH = 9.0
"""Seconds that importing torch may take."""
LOW, LEAST = 5e9, 1e9
"""Bytes free on a disk below which is a warning, and a problem."""
SHARED = 1e9
"""Bytes of /dev/shm below which Ray keeps objects on a disk."""
FILES = 4096
"""Open files that a process should be allowed."""
SOCKET_PATH = 107
"""Bytes of the path of a Unix socket; Ray's is its folder and some 60 more."""
TORCH = """
import json, torch
found = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if found else []
memory = [torch.cuda.mem_get_info(i) for i in range(len(names))]
works = float((torch.ones(8, device="cuda") * 2).sum()) == 16 if found else True
print(json.dumps({"built": torch.version.cuda, "names": names, "memory": memory, "works": works}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    what: str
    """What is so."""
    todo: str = ""
    """What to do about it."""


def ok(name: str, what: str) -> Finding:
    return Finding(name=name, state="ok", what=what)


def warning(name: str, what: str, todo: str) -> Finding:
    return Finding(name=name, state="warning", what=what, todo=todo)


def problem(name: str, what: str, todo: str) -> Finding:
    return Finding(name=name, state="problem", what=what, todo=todo)


def python() -> Iterator[Finding]:
    """The interpreter."""
    have = ".".join(map(str, sys.version_info[:3]))
    if tuple(sys.version_info) < OLDEST:
        yield problem("Python", have, "3.11 or later is needed: make setup PYTHON=/path/to/python3")
    else:
        yield ok("Python", f"{have}, {sys.executable}")


def packages(lock: Path = LOCK) -> Iterator[Finding]:
    """What is installed against the lock file."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError:
        yield warning("packages", f"no lock file at {lock}", "compare with requirements.lock of the project by hand")
        return
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", "\n".join(lines), re.M))
    missing, other = [], []
    for name, wanted in pinned.items():
        try:
            have = version(name).partition("+")[0]
        except PackageNotFoundError:
            missing.append(name)
            continue
        if have != wanted:
            other.append(f"{name} {have} (locked: {wanted})")
    bad = [name for name in missing if name in DECISIVE] + [one for one in other if one.split()[0] in DECISIVE]
    both = [f"{name} is missing" if name in missing else name for name in bad]
    again = "make setup, or .venv/bin/python -m pip install --requirement requirements.lock"
    if both:
        yield problem("packages", ", ".join(both), again)
    if rest := len(missing) + len(other) - len(bad):
        shown = [name for name in missing + other if name not in bad][:4]
        yield warning("packages", f"{rest} others are not those of the lock file: {', '.join(shown)}", again)
    if not missing and not other:
        yield ok("packages", f"{len(pinned)} as in the lock file")


def torch() -> Iterator[Finding]:
    """Whether torch can be imported and a GPU be used, in a process of its own: a broken driver may end it."""
    again = "install it anew: .venv/bin/python -m pip install --force-reinstall torch, as in requirements.lock"
    try:
        done = subprocess.run([sys.executable, "-c", TORCH], capture_output=True, text=True, timeout=ASKED_TORCH)
    except subprocess.TimeoutExpired:
        yield warning(
            "torch", f"not imported within {ASKED_TORCH:.0f} s", "the disk is slow, or a GPU hangs: nvidia-smi"
        )
        return
    if done.returncode:
        said = done.stderr.strip().splitlines()
        yield problem("torch", said[-1] if said else f"ended with code {done.returncode}", again)
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    have = f"torch {version('torch')}"
    card = os.path.exists("/dev/nvidiactl")
    if not found["works"]:
        yield problem("torch", f"{have} computes wrongly on {found['names'][0]}", "look at nvidia-smi and its errors")
    elif found["names"]:
        free = ", ".join(
            f"{name} ({free / 1e9:.0f} of {whole / 1e9:.0f} GB free)"
            for name, (free, whole) in zip(found["names"], found["memory"], strict=True)
        )
        yield ok("torch", f"{have}, {free}")
    elif card and found["built"] is None:
        todo = "install torch with CUDA (see pytorch.org), or leave it: the CPU is used"
        yield warning("torch", f"{have} is built without CUDA, and there is a GPU", todo)
    elif card:
        todo = "compare nvidia-smi's CUDA with torch's, and CUDA_VISIBLE_DEVICES"
        yield warning("torch", f"{have} (CUDA {found['built']}) does not find the GPU of this machine", todo)
    else:
        yield ok("torch", f"{have}, CPU only ({os.cpu_count()} cores)")


def shared_memory(path: str = "/dev/shm") -> Iterator[Finding]:
    """Where Ray keeps its objects."""
    if not os.path.isdir(path):
        yield ok("shared memory", f"this system has no {path}")
        return
    free = shutil.disk_usage(path).free
    if not os.access(path, os.W_OK):
        yield problem("shared memory", f"{path} cannot be written", "Ray needs it: chmod 1777, or mount a tmpfs there")
    elif free < SHARED:
        todo = "start the container with --shm-size=2g, or remove old files there"
        yield warning("shared memory", f"{_gigabytes(free)} free in {path}", todo)
    else:
        yield ok("shared memory", f"{_gigabytes(free)} free in {path}")


def disk(name: str, folder: str | os.PathLike[str]) -> Finding:
    """Room on the disk of a folder, which need not exist yet."""
    place = Path(folder).expanduser().absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    what = f"{_gigabytes(free)} free for {folder}"
    todo = "make room (madv gc removes old cells and clips), or name a folder on another disk"
    if free < LEAST:
        return problem(name, what, todo)
    return warning(name, what, todo) if free < LOW else ok(name, what)


def ray_folder() -> Iterator[Finding]:
    """Room and length of Ray's temporary folder."""
    folder = os.path.join(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray")
    yield disk("Ray's folder", folder)
    longest = len(os.fsencode(folder)) + 62
    if longest > SOCKET_PATH:
        todo = "export RAY_TMPDIR=/tmp: the path of a Unix socket has 107 bytes at most"
        yield problem("Ray's folder", f"{folder} is too long", todo)
    parent = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
    if not os.access(parent, os.W_OK):
        yield problem("Ray's folder", f"{parent} cannot be written", "export RAY_TMPDIR, a folder on a local disk")


def limits() -> Iterator[Finding]:
    """Open files; Ray raises the soft limit itself."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "any number of" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    what = f"{soft:,} open files now, {most} at most"
    if hard != resource.RLIM_INFINITY and hard < FILES:
        todo = f"ulimit -Hn {FILES * 16} as root, or LimitNOFILE= of the service"
        yield warning("open files", what, todo)
    else:
        yield ok("open files", what)


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"
