"""`madv submit`: what `ray submit --start FILE sweeps/submit.py` does, checked first and with the sweep's exit code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from madv.errors import ClusterError, MadvError, Problem, SpecError
from orchestration.addresses import has_secret
from orchestration.sections import show
from orchestration.spec import load_spec
from orchestration.yaml_places import Document, read_document

SCRIPT = Path("sweeps/submit.py")
RAY = (sys.executable, "-m", "ray.scripts.scripts")
USER_ERROR = 2
LOGIN_SECONDS = 10
SSH_OPTIONS = (
    "LogLevel=ERROR",
    "BatchMode=yes",
    "ConnectTimeout=5",
    # As Ray has them.
    "StrictHostKeyChecking=no",
    f"UserKnownHostsFile={os.devnull}",
)
SHAPES: dict[tuple[str, ...], tuple[type, str]] = {
    ("file_mounts",): (dict, "folder on the head: folder here"),
    ("provider",): (dict, "settings, such as type: local"),
    ("auth",): (dict, "settings, such as ssh_user: ray"),
    ("provider", "worker_ips"): (list, "a list of texts"),
    ("head_start_ray_commands",): (list, "a list of texts"),
    ("worker_start_ray_commands",): (list, "a list of texts"),
    ("metadata", "env"): (dict, "variable: value"),
    ("metadata", "python"): (str, "a text"),
    ("metadata", "folder"): (str, "a text"),
}
"""Of what `ray submit` reads; the sweep's own part is checked as ever."""
EXIT_CODE = re.compile(rb"^madv: exit code (\d+)\s*$", re.MULTILINE)
TAIL = 4096
"""Bytes of output in which the script's exit code is looked for."""


def submit(file: Path, overrides: Sequence[str]) -> int:
    """Run the file's sweep on the cluster that it describes; returns the exit code that `madv sweep` has there.

    Raises:
        MadvError: the file does not hold, or its head cannot be reached; nothing has been started.
    """
    cluster = check(file, overrides)
    for program in ("ssh", "rsync"):
        if shutil.which(program) is None:
            raise ClusterError(f"Ray needs {program}, which is not on PATH; install openssh-client and rsync")
    probe_head(cluster)
    command = [*RAY, "submit", "--start", "--disable-usage-stats", str(file), str(SCRIPT)]
    if overrides:
        command += ["--", *map(shlex.quote, overrides)]
    code, tail = _run(command)
    found = EXIT_CODE.findall(tail.replace(b"\r", b""))
    if code == 0 or found:
        _fetch_report(file, cluster)
        return int(found[-1]) if code else 0
    raise ClusterError(f"`{shlex.join(['ray', *command[len(RAY) :]])}` failed before the sweep began; see above")


def check(file: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Find all that is wrong with the file and the current folder; returns the file as Ray reads it.

    Raises:
        MadvError: with everything that is wrong.
    """
    spec = load_spec(file, overrides)
    document = read_document(file)
    if problems := _misshapen(document):
        raise SpecError(problems)

    def problem(message: str, *keys: str) -> None:
        problems.append(Problem(place=document.place(keys), message=message))

    if not SCRIPT.is_file():
        here = f"there is no {SCRIPT} in {Path.cwd()}"
        raise MadvError(f"{here}; run it from the project's root, where file_mounts are read from too")
    for remote, local in (document.data.get("file_mounts") or {}).items():
        if not Path(local).expanduser().exists():
            problem(f"there is no {local} in {Path.cwd()}", "file_mounts", remote)
    for key in ("provider", "auth", "head_start_ray_commands"):
        if not document.data.get(key):
            problem("is missing; `ray submit --start` cannot do without it", key)
    for key in ("python", "folder"):
        if not document.data["metadata"].get(key):
            problem("is missing; it says with which interpreter and where the head runs the sweep", "metadata", key)
    secrets: dict[tuple[str, ...], tuple[Any, str]] = {
        **{("env", name): (value, "set it") for name, value in (document.data["metadata"].get("env") or {}).items()},
        ("sweep", "storage_path"): (spec.storage_path, "have its keys in the environment or the storage's own file"),
        ("sweep", "notify", "url"): (spec.notify, "set MADV_NOTIFY_URL"),
        ("sweep", "search", "storage"): (spec.search and spec.search.storage, "have it in ~/.pgpass"),
    }
    for keys, (value, instead) in secrets.items():
        if has_secret(str(value or "")):
            hint = f"leave it out, and {instead} on the head"
            problem(f"holds a secret, and this file is copied and logged: {hint}", "metadata", *keys)
    provider = document.data.get("provider") or {}
    starts = " ".join(document.data.get("head_start_ray_commands") or [])
    if provider.get("worker_ips") and "--autoscaling-config" not in starts:
        hint = "add --autoscaling-config=~/ray_bootstrap_config.yaml to its `ray start`"
        problem(f"has workers, which the head would not start: {hint}", "provider", "worker_ips")
    nodes = ["head_start_ray_commands", *(["worker_start_ray_commands"] if provider.get("worker_ips") else [])]
    for key in nodes:
        if "RAY_AUTH_MODE=" not in " ".join(document.data.get(key) or []):
            hint = "set RAY_AUTH_MODE=token (or disabled) before `ray start`; else Ray goes by whether it finds a token"
            problem(hint, key)
    if problems:
        raise SpecError(problems)
    return _as_ray_reads(file, spec.digest, overrides)


def _misshapen(document: Document) -> list[Problem]:
    """What is of another kind than Ray takes."""
    problems = []
    for keys, (kind, words) in SHAPES.items():
        value: Any = document.data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            continue
        texts: Any = value if isinstance(value, list) else ()
        if keys == ("file_mounts",) and isinstance(value, dict):
            texts = value.values()
        if not (isinstance(value, kind) and all(isinstance(one, str) for one in texts)):
            problems.append(Problem(place=document.place(keys), message=f"must be {words}, not {show(value)}"))
    return problems


def probe_head(cluster: dict[str, Any]) -> None:
    """Log in once with a short timeout; Ray would try for minutes. Heads that a cloud has yet to start are Ray's.

    Raises:
        ClusterError: the head cannot be reached, or does not let us in.
    """
    provider, auth = cluster["provider"], cluster["auth"]
    host = provider.get("external_head_ip") or provider.get("head_ip")
    if not host:
        return
    command = ["ssh", *(part for option in SSH_OPTIONS for part in ("-o", option))]
    if proxy := auth.get("ssh_proxy_command"):
        command += ["-o", f"ProxyCommand={proxy}"]
    if key := auth.get("ssh_private_key"):
        command += ["-o", "IdentitiesOnly=yes", "-i", str(Path(key).expanduser())]
    target = f"{auth.get('ssh_user', 'ubuntu')}@{host}"
    try:
        done = subprocess.run(
            [*command, target, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LOGIN_SECONDS
        )
        reason = (
            (done.stderr.strip() or f"ssh ended with {done.returncode}").splitlines()[-1] if done.returncode else ""
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer in {LOGIN_SECONDS} s"
    if reason:
        raise ClusterError(f"the head cannot be reached: ssh {target}: {reason}; see provider and auth in the file")


def _as_ray_reads(file: Path, digest: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The file as it will be on the head: YAML 1.1, then JSON."""
    cluster: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    same = False
    with tempfile.TemporaryDirectory() as folder:
        rewritten = Path(folder) / "ray_bootstrap_config.yaml"
        with contextlib.suppress(MadvError, TypeError):
            rewritten.write_text(json.dumps(cluster))
            same = load_spec(rewritten, overrides).digest == digest
    if not same:
        raise SpecError(
            f"{file}: Ray would hand over another sweep: quote names and levels that YAML takes for something else, "
            "such as 010, 1.50 or a date"
        )
    return cluster


def _run(command: Sequence[str]) -> tuple[int, bytes]:
    """Run it with its output passed on as it comes; its exit code, and the end of its output."""
    tail = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 65536):
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            tail = (tail + chunk)[-TAIL:]
    return process.returncode, tail


def _fetch_report(file: Path, cluster: dict[str, Any]) -> None:
    """Copy the report from the head beside those of this folder."""
    name = cluster["cluster_name"]
    target = Path("reports") / name
    target.mkdir(parents=True, exist_ok=True)
    source = f"{cluster['metadata']['folder'].rstrip('/')}/reports/{name}/"
    done = subprocess.run([*RAY, "rsync-down", str(file), source, f"{target}/"], capture_output=True, text=True)
    if done.returncode == 0:
        print(f"the report is in {target / 'index.html'}")
    else:
        fetch = shlex.join(["ray", "rsync-down", str(file), source, f"{target}/"])
        print(f"madv: the report stayed on the head: `{fetch}`", file=sys.stderr)
