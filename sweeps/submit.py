"""What `ray submit --start FILE sweeps/submit.py` runs on the head: the sweep of the file that Ray has put there.

The `python` of a login shell may be any, so only the standard library is imported here; the sweep runs with the
interpreter, in the folder and under the environment that the file names under metadata. Overrides go after `--`.
"""

import json
import os
import signal
import subprocess
import sys

BOOTSTRAP = "~/ray_bootstrap_config.yaml"
USER_ERROR = 2


def main() -> int:
    """Run the sweep; returns its exit code, which `ray submit` turns into 1, so that it is printed too."""
    path = os.path.expanduser(BOOTSTRAP)
    try:
        with open(path, encoding="utf-8") as file:
            metadata = json.load(file).get("metadata") or {}
    except (OSError, ValueError) as error:
        return refuse(f"{BOOTSTRAP} cannot be read ({error}); `ray submit --start` puts it on the head")
    python = os.path.expanduser(str(metadata.get("python", sys.executable)))
    folder = os.path.expanduser(str(metadata.get("folder", "~")))
    if not os.access(python, os.X_OK):
        return refuse(f"metadata.python names {python}, which is not on this head; setup_commands make it")
    if not os.path.isdir(folder):
        return refuse(f"metadata.folder names {folder}, which is not on this head; file_mounts make it")
    environment = {name: str(value) for name, value in (metadata.get("env") or {}).items()}
    # Ctrl-C at the terminal reaches the sweep as well, which says where things stand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = subprocess.call(
        [python, "-m", "orchestration.cli", "sweep", path, *sys.argv[1:]],
        cwd=folder,
        env=dict(os.environ, **environment),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return report(code if code >= 0 else 128 - code)


def refuse(problem: str) -> int:
    """Say what is wrong, in the words of the command line."""
    print(f"madv: {problem}", file=sys.stderr)
    return report(USER_ERROR)


def report(code: int) -> int:
    """Leave the exit code where `madv submit` finds it."""
    if code:
        print(f"madv: exit code {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
