"""A sweep as Kubernetes manifests: a RayJob for KubeRay, and a CronJob that makes one every night."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from madv.errors import MadvError

MOUNT = "/shared"
"""Where all pods see the volume claim: cells, clips, reports."""
PROJECT = "/home/ray/madv"
"""The project in the image."""
LABEL = re.compile(r"[^a-z0-9-]+")
QUANTITY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?")
NIGHTLY = "-nightly"
LONGEST_NAME = 47 - len(NIGHTLY)
"""Characters; KubeRay refuses a RayJob whose name has over 47."""
DAY = 86400


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubernetes:
    """What a sweep file does not say about a cluster's pods."""

    image: str
    """With the project in PROJECT and `madv` on PATH."""
    claim: str = "madv"
    """PersistentVolumeClaim, ReadWriteMany."""
    workers: int = 2
    cpus: int = 4
    """Of a worker."""
    gpus: int = 0
    """Of a worker."""
    memory: str = "16Gi"
    """Of each pod."""
    kubectl: str = "alpine/kubectl"
    """Image of the CronJob's pod."""
    schedule: str = "0 2 * * *"
    """Of the CronJob, in cron's words."""
    secret: str = ""
    """Whose keys become environment variables of every pod, such as MLFLOW_TRACKING_URI and its password."""


def _check(pods: Kubernetes) -> None:
    """The numbers that argparse takes and Kubernetes does not."""
    wrong = [name for name, least in (("workers", 1), ("cpus", 1), ("gpus", 0)) if getattr(pods, name) < least]
    wrong += [] if QUANTITY.fullmatch(pods.memory) else ["memory"]
    wrong += [] if len(pods.schedule.split()) == 5 else ["schedule"]
    if wrong:
        values = ", ".join(f"--{name} {getattr(pods, name)}" for name in wrong)
        raise MadvError(f"{values}: pods are counted from 1, memory is such as 16Gi, a schedule has five fields")


def ray_job(
    name: str, command: str, file: Path, overrides: Sequence[str], pods: Kubernetes, *, retries: int = 1
) -> dict[str, Any]:
    """A cluster of its own for one sweep; it goes when the sweep ends, and what it trained stays in the claim.

    Args:
        name: cluster_name of the file.
        command: sweep or nightly.
        file, overrides: its arguments.
        pods: what they are like.
        retries: after a failure, which any exit code but 0 is.

    Raises:
        MadvError: an amount that Kubernetes would refuse.
    """
    _check(pods)
    # The token comes from a secret that KubeRay makes (v1.5.1 and later).
    cluster = {
        "rayVersion": version("ray"),
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0"},
            "template": _pod("ray-head", pods, cpus=2, gpus=0),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": pods.workers,
                "minReplicas": pods.workers,
                "maxReplicas": pods.workers,
                "rayStartParams": {},
                "template": _pod("ray-worker", pods, cpus=pods.cpus, gpus=pods.gpus),
            }
        ],
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": resource_name(name), "labels": {"app.kubernetes.io/part-of": "madv"}},
        "spec": {
            "entrypoint": _entrypoint(command, file, overrides),
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 600,
            "backoffLimit": retries,
            "activeDeadlineSeconds": 7 * DAY,
            "rayClusterSpec": cluster,
        },
    }


def cron_job(job: Mapping[str, Any], pods: Kubernetes) -> list[dict[str, Any]]:
    """What makes the RayJob anew every night, unless the last one still runs, and the right to do so."""
    name = job["metadata"]["name"] + NIGHTLY
    about = {"name": name, "labels": dict(job["metadata"]["labels"])}
    # A RayJob runs once, so that the last night's makes room; its cells are in the claim.
    script = (
        f"state=$(kubectl get rayjob {name} --ignore-not-found --output jsonpath={{.status.jobDeploymentStatus}})\n"
        'case "$state" in ""|Complete|Failed|ValidationFailed) ;; *) echo "the last sweep is $state"; exit 0 ;; esac\n'
        f"kubectl delete rayjob {name} --ignore-not-found\n"
        f"kubectl create --filename - <<'END'\n{to_yaml({**job, 'metadata': about})}END\n"
    )
    container = {"name": "create", "image": pods.kubectl, "command": ["sh", "-ec", script]}
    pod = {"serviceAccountName": name, "restartPolicy": "Never", "containers": [container]}
    rules = [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["get", "create", "delete"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about},
        {"apiVersion": rbac, "kind": "Role", "metadata": about, "rules": rules},
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": name}],
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": about,
            "spec": {
                "schedule": pods.schedule,
                "concurrencyPolicy": "Forbid",
                "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}},
            },
        },
    ]


def to_yaml(content: Any) -> str:
    """YAML as one would write it: in the order given, scripts as blocks."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=200)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def resource_name(cluster_name: str) -> str:
    """The nearest name that Kubernetes takes."""
    name = LABEL.sub("-", cluster_name.lower()).strip("-")
    name = name if name[:1].isalpha() else f"sweep-{name}"
    return name[:LONGEST_NAME].rstrip("-")


def _entrypoint(command: str, file: Path, overrides: Sequence[str]) -> str:
    """From the shared folder, so that relative paths of cells and reports lead there."""
    inside = f"{PROJECT}/{file.as_posix()}" if not file.is_absolute() else str(file)
    madv = shlex.join(["madv", command, inside, *overrides])
    return f"bash -c {shlex.quote(f'cd {MOUNT} && exec {madv}')}"


def _pod(name: str, pods: Kubernetes, *, cpus: int, gpus: int) -> dict[str, Any]:
    amounts: dict[str, str] = {"cpu": str(cpus), "memory": pods.memory}
    if gpus:
        amounts["nvidia.com/gpu"] = str(gpus)
    container: dict[str, Any] = {
        "name": name,
        "image": pods.image,
        "resources": {"requests": amounts, "limits": dict(amounts)},
        "volumeMounts": [{"name": "shared", "mountPath": MOUNT}],
    }
    if pods.secret:
        container["envFrom"] = [{"secretRef": {"name": pods.secret}}]
    volume = {"name": "shared", "persistentVolumeClaim": {"claimName": pods.claim}}
    return {"spec": {"containers": [container], "volumes": [volume]}}
