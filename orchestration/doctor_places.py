"""What `madv doctor` looks at around a sweep: its storage, clips and data set, and Ray with its nodes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.doctor import Finding, disk, ok, problem, warning

if TYPE_CHECKING:
    from madv.config_data import DatasetConfig

CLUSTER = 9.0
"""Seconds that a cluster has to tell its clocks."""
SKEW, WRONG = 1.0, 60.0
"""Seconds between clocks that are a warning, and a problem."""
READ = 2e9
"""Bytes of a clip cache that are read to the end."""
CLOCKS = """
import json, time, os, sys
from orchestration.doctor_places import clocks
print(json.dumps(clocks(os.environ["RAY_ADDRESS"])))
"""


def storage(path: str) -> Iterator[Finding]:
    """Whether files can be made, renamed, read and refused a second time where the cells are."""
    from madv.errors import StorageError
    from orchestration.folders import open_folder

    if "://" not in path:
        yield disk("disk", path)
        root = Path(path).expanduser().absolute()
        while not root.exists():
            root = root.parent
        path = str(root)
    folder, name, started = open_folder(path, ""), f"doctor-{uuid.uuid4().hex}", time.monotonic()
    todo = "see its mode and mount (df, mount, ls -ld), or set metadata.sweep.storage_path"
    try:
        folder.put(name, b"whole")
        whole = folder.get(name) == b"whole" and name in folder.names()
        if "://" not in path:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(os.path.join(path, name), os.O_CREAT | os.O_EXCL))
                whole = False
        folder.remove(name)
    except StorageError as error:
        yield problem("storage", str(error.problems[0]).partition(";")[0], todo)
        return
    except (ImportError, ValueError, NotImplementedError) as error:
        yield problem(
            "storage", f"{path}: {str(error).splitlines()[0]}", "see pyarrow.fs for the schemes that it knows"
        )
        return
    seconds = time.monotonic() - started
    if not whole:
        todo = "cells need a file system with atomic rename and exclusive creation: a local disk or NFS 4"
        yield problem("storage", f"{path} loses or doubles files", todo)
    elif seconds > 1:
        yield warning(
            "storage", f"{path} takes {seconds:.1f} s for a small file", "a folder on a nearer disk is faster"
        )
    else:
        yield ok("storage", f"{path} can be written ({seconds * 1000:.0f} ms a file)")


def clips(dataset: DatasetConfig, root: Path) -> Iterator[Finding]:
    """The data set where it is read from, and its clip cache."""
    from madv.config_data import RecordedConfig
    from madv.data.cache import place
    from madv.data.cache_files import BROKEN, open_clips
    from madv.data.cache_seal import check_clips
    from madv.errors import MadvError

    yield disk("clips' disk", root)
    paths = [str(value) for name, value in asdict(dataset).items() if name.endswith("path") and value]
    missing = [path for path in paths if not Path(path).expanduser().exists()]
    try:
        folder = place(dataset, root)
    except MadvError as error:
        yield problem("data set", str(error.problems[0]), "name it by dataset.path= or its MADV_ variable")
        return
    there = folder is not None and folder.exists()
    if missing and not there:
        yield problem("data set", f"there is no {', '.join(missing)}", "name it by dataset.path= or its MADV_ variable")
    elif missing:
        yield warning("data set", f"there is no {', '.join(missing)}", "its clip cache is here: nothing reads it now")
    elif paths:
        yield ok("data set", ", ".join(paths))
    if folder is None or not there:
        todo = (
            f"madv data prepare dataset={dataset.kind}"
            if isinstance(dataset, RecordedConfig)
            else "made at the first use"
        )
        yield warning("clip cache", f"{dataset.kind} is not in {root} yet", todo)
        return
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) if folder.is_dir() else 0
    try:
        open_clips(folder, check_clips if size <= READ else None)
    except BROKEN as error:
        yield problem("clip cache", f"{folder} is broken: {error}", "the next sweep sets it aside and makes it again")
        return
    read = "" if size <= READ else "; too large to read all of it now"
    yield ok("clip cache", f"{folder}, {size / 1e6:,.1f} MB{read}")


def ray() -> Iterator[Finding]:
    """Ray's version; the cluster that is named, with its nodes' clocks, or whether one can listen here."""
    have, address = version("ray"), os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":
        try:
            with socket.create_server(("127.0.0.1", 0)):
                pass
        except OSError as error:
            yield problem(
                "Ray", f"{have}; no port can be opened on 127.0.0.1: {error}", "see firewall and ip addr show lo"
            )
            return
        yield ok("Ray", f"{have}, started on this machine for each sweep")
        return
    from madv.errors import MadvError
    from orchestration.cluster_head import check_head

    try:
        check_head(address)
    except MadvError as error:
        yield problem("Ray", str(error), "or unset RAY_ADDRESS: the sweep runs on this machine")
        return
    try:
        done = subprocess.run([sys.executable, "-c", CLOCKS], capture_output=True, text=True, timeout=CLUSTER)
        if done.returncode:
            said = (done.stderr.strip() or "it ended").splitlines()[-1]
            yield problem(
                "Ray", f"the cluster at {address} cannot be joined: {said}", "ray status on its head says more"
            )
            return
        offsets: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        yield warning(
            "Ray", f"{have}; {address} answers, its workers not within {CLUSTER:.0f} s", "ray status says more"
        )
        return
    yield ok("Ray", f"{have}, {len(offsets)} nodes at {address}")
    node, worst = max(offsets.items(), key=lambda one: abs(one[1]))
    what, todo = f"node {node} is {worst:+.1f} s from here", "run an NTP service on every node (timedatectl)"
    if abs(worst) > WRONG:
        yield problem("clocks", what, todo)
    else:
        yield warning("clocks", what, todo) if abs(worst) > SKEW else ok("clocks", what)


def clocks(address: str) -> dict[str, float]:
    """By address of a node, how far its clock is ahead of ours in seconds, to half the time of asking."""
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="CRITICAL")
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ask = ray.remote(num_cpus=0, max_retries=0)(lambda: time.time())  # Ray takes no built-in
    offsets: dict[str, float] = {}
    for node in ray.nodes():
        if node["Alive"]:
            remote = ask.options(scheduling_strategy=On(node_id=node["NodeID"], soft=False)).remote
            ray.get(remote())  # starts a worker
            before = time.time()
            theirs = ray.get(remote())
            offsets[node["NodeManagerAddress"]] = round(theirs - (before + time.time()) / 2, 3)
    return offsets
