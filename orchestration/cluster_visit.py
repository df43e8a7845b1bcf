"""A cluster that is joined, before work starts: no other sweep runs on it, and its nodes see code, cells and clips."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.errors import ClusterError, StorageError

if TYPE_CHECKING:
    from orchestration.cells import CellStore
    from orchestration.folders import Folder
    from orchestration.plan import Plan

CLAIM = "madv-sweep"
"""Name of the actor that says which sweep runs on a cluster; it ends with the driver."""
NAMESPACE = "madv"
GRACE = 5.0
"""Seconds for the claim of a driver that was killed to go."""
TIMEOUT = 60.0
"""Seconds that a node has to answer: it starts a worker first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What a sweep brings to a cluster."""

    name: str
    digest: str
    """SweepSpec.digest"""
    folder: Folder
    """Where the workers leave the cells."""
    cache_root: Path
    """Folder of the clip caches."""

    @classmethod
    def of(cls, plan: Plan, store: CellStore, cache_root: Path) -> Visit:
        """For the sweep of a plan."""
        return cls(name=plan.spec.cluster_name, digest=plan.spec.digest, folder=store.folder, cache_root=cache_root)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What a node sees."""

    marker: bytes | None
    """The marker in the folder of the cells."""
    trouble: str
    """Why it could not be read, or nothing be written beside it."""
    clips: bool
    """Whether the folder of the clip caches is there."""
    code: str
    """Fingerprint of the training code."""


def begin(visit: Visit) -> Any:
    """Claim the cluster and look at its nodes; keep what is returned as long as the sweep runs.

    Raises:
        ClusterError: another sweep runs there, or nodes cannot work on this one; each says why.
    """
    claim = _claim(visit)
    problems = _problems(visit)
    if problems:
        raise ClusterError("; ".join(problems))
    return claim


def _claim(visit: Visit) -> Any:
    """An actor whose name is taken while a sweep runs."""
    import ray

    class Claim:
        def __init__(self, sweep: str) -> None:
            self.sweep = sweep

        def holder(self) -> str:
            return self.sweep

    sweep = f"{visit.name} ({visit.digest[:12]})"
    # On the node of the driver: the claim does not end with another one.
    here = _on_node(ray.get_runtime_context().get_node_id())
    options = {"name": CLAIM, "namespace": NAMESPACE, "num_cpus": 0, "scheduling_strategy": here}
    started = time.monotonic()
    while True:
        try:
            return ray.remote(Claim).options(**options).remote(sweep)
        except ValueError:
            holder = _holder()
            if time.monotonic() > started + (TIMEOUT if holder is None else GRACE):
                which = "another sweep" if holder is None else f"the sweep {holder}"
                raise ClusterError(
                    f"{which} runs on this cluster; wait for its end, or stop it where it was started"
                ) from None
            time.sleep(1)


def _holder() -> str | None:
    """Which sweep has claimed the cluster; None if its claim is going."""
    import ray

    try:
        holder: str = ray.get(ray.get_actor(CLAIM, NAMESPACE).holder.remote(), timeout=TIMEOUT)
    except (ValueError, ray.exceptions.RayError):
        return None
    return holder


def _problems(visit: Visit) -> list[str]:
    """One sentence a kind of problem, with the nodes that have it."""
    import ray

    marker, clips = uuid.uuid4().hex, visit.cache_root.absolute()
    name = f"marker-{marker}.tmp"
    visit.folder.put(name, marker.encode())
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked = {
        node: look.options(scheduling_strategy=_on_node(node)).remote(visit.folder, name, str(clips)) for node in nodes
    }
    found: dict[str, list[str]] = {}
    try:
        for node, reference in asked.items():
            try:
                sight: Sight = ray.get(reference, timeout=TIMEOUT)
            except ray.exceptions.RayError as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
                found.setdefault(f"cannot run this project's code ({reason})", []).append(nodes[node])
                continue
            if sight.trouble or sight.marker != marker.encode():
                why = f" ({sight.trouble})" if sight.trouble else ""
                hint = "metadata.sweep.storage_path must be a folder or a URI that all nodes share"
                found.setdefault(f"cannot see the cells in {visit.folder}{why}: {hint}", []).append(nodes[node])
            if not sight.clips and clips.is_dir():
                problem = f"cannot see the clips in {clips}: share that folder, or name another by MADV_CACHE"
                found.setdefault(problem, []).append(nodes[node])
            if sight.code != _fingerprint():
                found.setdefault("has other training code: update the project there", []).append(nodes[node])
    finally:
        visit.folder.remove(name)
    return [f"node {', '.join(sorted(set(where)))} {problem}" for problem, where in found.items()]


def _look(folder: Folder, name: str, cache_root: str) -> Sight:
    """Runs on a node: read the marker, write beside it."""
    marker, trouble = None, ""
    try:
        marker = folder.get(name)
        if marker is not None:
            folder.put(name, marker)
    except StorageError as error:
        trouble = str(error)
    return Sight(marker=marker, trouble=trouble, clips=os.path.isdir(cache_root), code=_fingerprint())


def _fingerprint() -> str:
    """Of all the code that trains."""
    from orchestration.code import COMMON, METHODS, PRETRAINING, code_fingerprint

    return code_fingerprint(COMMON + METHODS + PRETRAINING)


def _on_node(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id=node, soft=False)
