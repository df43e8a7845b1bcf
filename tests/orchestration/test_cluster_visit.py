"""What a cluster that is joined is asked before work starts, on a real Ray of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from madv.errors import ClusterError
from orchestration import cluster_visit
from orchestration.cluster_visit import Visit, begin
from orchestration.folders import Folder, LocalFolder, open_folder
from orchestration.ray_session import ray_session


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One node."""
    with ray_session(print):
        yield


class OtherDisk(LocalFolder):
    """A path that is another folder on each node: who is sent it finds his own."""

    def __reduce__(self) -> tuple[type[LocalFolder], tuple[str]]:
        return LocalFolder, (f"{self.path}-there",)


def visit(folder: Folder, root: Path, name: str = "mine") -> Visit:
    return Visit(name=name, digest="d" * 64, folder=folder, cache_root=root)


def test_a_second_sweep_on_the_cluster_is_told_which_one_runs(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder(tmp_path, "cells")
    claim = begin(visit(folder, tmp_path))
    monkeypatch.setattr(cluster_visit, "GRACE", 0.5)
    with pytest.raises(ClusterError, match=r"the sweep mine \(dddddddddddd\) runs on this cluster; wait for its end"):
        begin(visit(folder, tmp_path, "other"))
    del claim


def test_a_storage_path_that_a_node_cannot_see(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        begin(visit(OtherDisk(str(tmp_path / "cells")), tmp_path))
    (said,) = str(caught.value).splitlines()
    assert (
        f"cannot see the cells in {tmp_path / 'cells'}: metadata.sweep.storage_path must be a folder or a URI" in said
    )
    assert said.startswith("node ")
    assert list((tmp_path / "cells").iterdir()) == []  # nothing half done
