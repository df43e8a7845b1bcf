"""What is said of a head that cannot be joined."""

from __future__ import annotations

import socket
import time

import pytest

from madv.errors import ClusterError
from orchestration.cluster_head import check_head, explain


def test_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ClusterError, match=f"nothing answers at {address}"):
            check_head(address)
        assert time.monotonic() - began < 10


def test_what_ray_finds_itself_is_left_to_it() -> None:
    check_head("auto")
    check_head("local")


def test_other_versions_are_one_sentence() -> None:
    from ray._private.utils import check_version_info, compute_version_info

    # In Ray's own words, which another version of it may change.
    with pytest.raises(RuntimeError) as caught:
        check_version_info({"ray_version": "2.59.0", "python_version": "3.12.1"}, "node 10.0.0.1")
    ray, python = compute_version_info()
    assert str(explain("h:6379", caught.value)) == (
        f"the cluster at h:6379 runs Ray 2.59.0 and Python 3.12.1, this is Ray {ray} and Python {python}; "
        "they must be the same"
    )


def test_anything_else_is_its_first_line() -> None:
    assert str(explain("h:1", OSError("no\nsecond line"))).endswith("RAY_ADDRESS): no")
    assert str(explain("h:1", OSError())).endswith("RAY_ADDRESS): OSError")
