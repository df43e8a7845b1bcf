"""Is there a Ray head at an address, and does it take our token? Asked in seconds; Ray itself retries for minutes."""

from __future__ import annotations

import os
import re
import socket

from madv.errors import ClusterError

TIMEOUT = 5.0
"""Seconds that a head has to answer."""
WAYS_OF_A_TOKEN = "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"


def check_head(address: str) -> None:
    """Ask the head before Ray does.

    Args:
        address: as in RAY_ADDRESS; what is not host:port, such as auto, is left to Ray.

    Raises:
        ClusterError: nothing answers there, or what answers refuses our token.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT).close()
    except OSError as error:
        raise ClusterError(
            f"nothing answers at {address} (RAY_ADDRESS): {error}; start the head, or correct the address"
        ) from None
    if not address.startswith("ray://"):
        _check_token(address)


def explain(address: str, error: Exception) -> ClusterError:
    """Why Ray did not join the cluster, in a sentence."""
    text = str(error).strip()
    versions = re.findall(r"(Ray|Python): (\S+)", text)
    if text.startswith("Version mismatch") and len(versions) == 4:
        theirs, ours = (" and ".join(" ".join(one) for one in versions[index : index + 2]) for index in (0, 2))
        return ClusterError(f"the cluster at {address} runs {theirs}, this is {ours}; they must be the same")
    reason = text.splitlines()[0] if text else type(error).__name__
    return ClusterError(f"Ray could not join the cluster at {address} (RAY_ADDRESS): {reason}")


def _check_token(address: str) -> None:
    """One call that every head answers, under the authentication that this process would use."""
    import grpc  # type: ignore[import-untyped]  # comes with Ray
    from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
    from ray._private.grpc_utils import init_grpc_channel
    from ray.exceptions import AuthenticationError

    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    try:
        with init_grpc_channel(address) as channel:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetClusterId")(b"", timeout=TIMEOUT)
    except AuthenticationError:
        raise ClusterError(f"RAY_AUTH_MODE is token and there is none in {WAYS_OF_A_TOKEN}") from None
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAUTHENTICATED:
            raise ClusterError(f"what answers at {address} (RAY_ADDRESS) is no Ray head: {error.details()}") from None
        mode = os.environ.get("RAY_AUTH_MODE", "unset")
        raise ClusterError(
            f"the cluster at {address} refuses this token (RAY_AUTH_MODE is {mode}): "
            f"put what `ray get-auth-token` prints on its head into {WAYS_OF_A_TOKEN}"
        ) from None
