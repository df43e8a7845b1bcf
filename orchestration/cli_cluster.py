"""`madv cluster render`: Kubernetes manifests of a sweep or nightly file. Light: imports what it needs when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from madv.errors import MadvError

OF_PODS = ("image", "claim", "secret", "workers", "cpus", "gpus", "memory", "schedule")
"""Options that orchestration.cluster_manifests.Kubernetes has, too."""


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """The commands of `madv cluster`."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    sub = commands.add_parser("render", help="a RayJob for KubeRay, and a CronJob that makes one every night")
    sub.add_argument("file", type=Path, metavar="FILE", help="the sweep or nightly file, as in the image")
    sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, appended to the file's base")
    sub.add_argument("--image", required=True, help="with the project in /home/ray/madv and `madv` on PATH")
    sub.add_argument("--claim", default="madv", help="PersistentVolumeClaim that all pods share (default: madv)")
    sub.add_argument("--secret", default="", help="whose keys become environment variables of the pods")
    sub.add_argument("--workers", type=int, default=2, help="pods beside the head (default: 2)")
    sub.add_argument("--cpus", type=int, default=4, help="of a worker (default: 4)")
    sub.add_argument("--gpus", type=int, default=0, help="of a worker (default: 0)")
    sub.add_argument("--memory", default="16Gi", help="of each pod (default: 16Gi)")
    sub.add_argument("--schedule", default="0 2 * * *", help="of the CronJob (default: 0 2 * * *)")
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="write NAME-rayjob.yaml and NAME-cronjob.yaml there")
    sub.set_defaults(command=render)


def render(options: argparse.Namespace) -> int:
    """Print the manifests, or write them into a folder."""
    from orchestration.cluster_manifests import Kubernetes, cron_job, ray_job, to_yaml
    from orchestration.nightly_file import is_nightly, load_nightly
    from orchestration.spec import load_spec

    pods = Kubernetes(**{name: getattr(options, name) for name in OF_PODS})
    # The project's root here is /home/ray/madv there.
    file: Path = options.file.absolute()
    file = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else options.file
    if not is_nightly(options.file):
        name = load_spec(options.file, options.overrides).cluster_name
        job = ray_job(name, "sweep", file, options.overrides, pods)
    elif options.overrides:
        raise MadvError(f"{options.overrides[0]}: a nightly file says itself what is appended to which sweep's base")
    else:
        # Tried again, a night that moved would compare with itself and say that nothing did.
        job = ray_job(load_nightly(options.file).name, "nightly", file, (), pods, retries=0)
    texts = {"rayjob": to_yaml(job), "cronjob": "---\n".join(map(to_yaml, cron_job(job, pods)))}
    if options.out is None:
        print("---\n".join(texts.values()), end="")
        return 0
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for kind, text in texts.items():
            path = options.out / f"{job['metadata']['name']}-{kind}.yaml"
            path.write_text(text, encoding="utf-8")
            print(path)
    except OSError as error:
        raise MadvError(f"--out {options.out}: {error.strerror or error}") from None
    return 0
