"""MLflow's SQLite file, which is there whole or not at all.

MLflow makes it in hundreds of statements, and SQLite takes none of them back: a process that is killed meanwhile leaves
a file that no MLflow opens any more.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from madv.modes import group_folder, hand_over

SCHEME = "sqlite:///"


def make_whole(uri: str) -> None:
    """Make the file of a tracking URI if it names one that is not there; of two processes the first one's stays.

    Raises:
        Exception: whatever MLflow raises.
    """
    if not uri.startswith(SCHEME) or (path := Path(uri.removeprefix(SCHEME).partition("?")[0])).exists():
        return
    from mlflow.tracking import MlflowClient

    group_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        [default] = MlflowClient(f"{SCHEME}{temporary}").search_experiments()
        hand_over(temporary)
        group_folder(Path(default.artifact_location).parent)  # of all experiments
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
