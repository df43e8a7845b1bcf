"""Ray for the length of a sweep: started here or joined, quiet, and watched from outside Tune's loop."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from madv.errors import ClusterError
from orchestration.cluster_head import check_head, explain
from orchestration.cluster_visit import Visit, begin
from orchestration.interrupts import end_now, handlers_kept

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns; a trial without a GPU must not see one anyway
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # three log files a trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C reaches us instead of a checkpoint of Tune's state
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # the cells are the state
    "TUNE_WARN_THRESHOLD_S": "1000000000",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000000",
}
"""Environment of Ray and Tune, read when they are imported; what the user has set stays."""
PATIENT = {
    "RAY_health_check_failure_threshold": "60",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_gcs_server_request_timeout_seconds": "600",
}
"""Of a Ray of our own, whose processes the watchdog looks after: Ray's own patience, a minute, is less than a machine
short of memory or cores takes at times. A cluster's nodes keep theirs: they are started elsewhere."""
PERIOD = 2.0
"""Seconds between two looks of the watchdog."""
PATIENCE = 10
"""Looks in a row at which a cluster must be out of reach before it is lost: a network may hiccup."""


@contextlib.contextmanager
def ray_session(on_lost: Callable[[str], None], visit: Visit | None = None) -> Iterator[dict[str, float]]:
    """Start Ray on this machine, or join the cluster that RAY_ADDRESS names; yields its resources.

    Args:
        on_lost: called with the reason, in another thread, when Ray is gone; it has a few seconds to say so before
            the process ends with code 2, for Tune's loop may hang in a call that never returns.
        visit: checked on a cluster that is joined; None if nothing of a sweep is at stake.

    Raises:
        ClusterError: Ray could not be started or joined, or the cluster cannot work on the visit's sweep.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":
        _prepare_local()
    else:
        check_head(address)
    import ray
    from ray._private import worker

    # Ray has no switch for its word on a dead worker, which would go through the display; here that is an event.
    worker.print_worker_logs = lambda *_: None
    starting = (RuntimeError, OSError, ValueError, ray.exceptions.RayError)
    try:
        # The number of CPUs is never passed: a cluster that is joined has its own, and refuses.
        with handlers_kept():
            dashboard = _dashboard(address)
            ray.init(address=address, log_to_driver=False, logging_level="CRITICAL", include_dashboard=dashboard)
    except Exception as error:
        # Of a node that does not come up in time Ray says so by an Exception of no kind.
        if type(error) is not Exception and not isinstance(error, starting):
            raise
        if address == "local":
            raise ClusterError(f"Ray could not start on this machine: {error}") from error
        raise explain(address, error) from error
    watchdog = Watchdog(_health_check(), on_lost)
    watchdog.start()
    try:
        # Held while the sweep runs.
        _claim = begin(visit) if visit is not None and address != "local" else None
        yield dict(ray.cluster_resources())
    finally:
        watchdog.stop()
        _shut_down()


class Watchdog(threading.Thread):
    """Ends the process when Ray is lost. Ray releases the interpreter lock while it waits, so a thread is enough."""

    def __init__(
        self, check: Callable[[], str | None], on_lost: Callable[[str], None], end: Callable[[], None] | None = None
    ) -> None:
        super().__init__(name="ray-watchdog", daemon=True)
        self._check = check
        self._on_lost = on_lost
        self._end = end or functools.partial(end_now, 2)
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(PERIOD):
            reason = self._check()
            if reason is not None and not self._stopped.is_set():
                _within(5, functools.partial(self._on_lost, reason))
                self._end()
                return

    def stop(self) -> None:
        """Ray is about to be shut down on purpose."""
        self._stopped.set()


def _shut_down() -> None:
    """Stop Ray, with no garbage collection in any thread meanwhile.

    A reference to a Ray object that is collected between the end of Ray's core and that of its Python side makes Ray
    end the process; Tune leaves such references in cycles, and the tracking thread runs on.
    """
    import gc

    import ray

    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def _prepare_local() -> None:
    """What the processes of a Ray of our own inherit."""
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    # What Ray does on macOS and Windows unless told: every port on the loopback device, none open to the network.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    if "RAY_AUTH_MODE" not in os.environ:
        # Else Ray writes a token into the home directory, which need not be writable.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # A checkout that is not installed: workers must find the packages that this process found.
    root = str(Path(__file__).parents[1])
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root not in path:
        os.environ["PYTHONPATH"] = os.pathsep.join([root, *filter(None, path)])


def _dashboard(address: str) -> bool | None:
    """A local Ray starts faster without one; a cluster has its own."""
    return False if address == "local" else None


def _health_check() -> Callable[[], str | None]:
    """A function that says what is wrong with Ray, or None."""
    import ray
    from ray._private import worker

    node = worker._global_node
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    missed = 0

    def check() -> str | None:
        nonlocal missed
        dead = [name for name, _ in node.dead_processes() if name in ("raylet", "gcs_server")]
        if dead:
            return f"Ray's {' and '.join(dead)} ended"
        if _deaf(node.raylet_socket_name):
            return "Ray's raylet of this machine ended"
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PERIOD).close()
            missed = 0
        except OSError as error:
            missed += 1
            if missed >= PATIENCE:
                return f"Ray's head at {host}:{port} does not answer ({error})"
        return None

    return check


def _deaf(address: str) -> bool:
    """Whether nobody listens at the socket of a raylet: of a cluster that is joined its processes are not ours."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:
            return False
    return False


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Run the action, but do not wait for it longer than this."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)
