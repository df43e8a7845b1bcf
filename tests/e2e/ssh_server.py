"""An OpenSSH server of its own on loopback, whose users find an empty home folder, for tests of `ray submit`."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = [
    name for name, path in (("sshd", SSHD), ("ssh", shutil.which("ssh")), ("rsync", shutil.which("rsync"))) if not path
]
"""What a machine lacks for it."""
PATIENCE = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where it listens and how to log in."""

    home: Path
    """What `~` is for who logs in."""
    auth: dict[str, str]
    """As in a cluster file."""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[Server]:
    """Start a server with keys of its own; the system's configuration and keys are not read."""
    assert SSHD is not None
    home, port = folder / "home", free_port()
    home.mkdir(parents=True)
    for name in (".bashrc", ".profile"):
        (home / name).write_text("")
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    (folder / "sshd_config").write_text(
        f"""ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
SetEnv HOME={home} PATH={os.environ["PATH"]}
"""
    )
    # Ray takes no port for SSH, but a proxy command.
    proxy = folder / "proxy"
    proxy.write_text(f"#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\ncat <&3 &\ncat >&3\nkill $!\n")
    proxy.chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # the server's own; a service would make it
    log = (folder / "sshd.log").open("w")
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            assert process.poll() is None and time.monotonic() < deadline, (folder / "sshd.log").read_text()
            time.sleep(0.05)
        auth = {"ssh_user": getpass.getuser(), "ssh_private_key": f"{folder}/user_key", "ssh_proxy_command": str(proxy)}
        yield Server(home=home, auth=auth)
    finally:
        process.terminate()
        process.wait()
        log.close()


def end_ray(temporary: Path) -> None:
    """End the Ray whose files are there. `ray stop` would end every Ray of this machine."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(temporary).encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                os.kill(int(folder.name), signal.SIGKILL)
