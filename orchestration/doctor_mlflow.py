"""What `madv doctor` says of MLflow: its server, its database, or its SQLite file."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from orchestration.doctor import Finding, ok, problem, warning

TIMEOUT = 3.0
"""Seconds that a server has to answer."""


def mlflow(uri: str) -> Iterator[Finding]:
    """Whether tracking would be heard; training does not need it."""
    from orchestration.addresses import without_password

    shown, have = without_password(uri), version("mlflow")
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        yield _mlflow_server(uri, shown, have)
    elif parts.scheme == "sqlite":
        yield _mlflow_file(Path(uri.removeprefix("sqlite:///").partition("?")[0]), have)
    elif parts.hostname:
        port = parts.port or {"postgresql": 5432, "mysql": 3306}.get(parts.scheme.partition("+")[0], 0)
        try:
            socket.create_connection((parts.hostname, port), timeout=TIMEOUT).close()
        except OSError as error:
            yield warning("MLflow", f"nothing answers at {shown}: {error}", "start the database; madv track replays")
            return
        yield ok("MLflow", f"{shown} answers")
    else:
        yield ok("MLflow", f"{have}, {shown}")


def _mlflow_server(uri: str, shown: str, have: str) -> Finding:
    from urllib.request import Request, urlopen

    parts = urlsplit(uri)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    try:
        with urlopen(Request(f"{bare}/version"), timeout=TIMEOUT) as answer:
            theirs = answer.read(100).decode(errors="replace").strip()
    except (OSError, ValueError) as error:
        todo = "start the server or correct MLFLOW_TRACKING_URI; madv track replays what it missed"
        return warning("MLflow", f"{shown} does not answer: {getattr(error, 'reason', error)}", todo)
    if not re.fullmatch(r"[\d.]+\w*", theirs):
        return problem("MLflow", f"what answers at {shown} is no MLflow server", "correct MLFLOW_TRACKING_URI")
    if theirs.partition(".")[0] != have.partition(".")[0]:
        return problem(
            "MLflow", f"the server at {shown} is {theirs}, the client {have}", "use one major version for both"
        )
    return ok("MLflow", f"{have}; the server at {shown} is {theirs}")


def _mlflow_file(path: Path, have: str) -> Finding:
    import sqlite3

    if not path.exists():
        return ok("MLflow", f"{have}, {path} is made by the first sweep")
    todo = "move the file away: the next sweep or madv track makes it again from the cells"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path.absolute()}?mode=rw", uri=True, timeout=TIMEOUT)) as file:
            found = [row[0] for row in file.execute("SELECT version_num FROM alembic_version")]
            file.execute("BEGIN IMMEDIATE")
            file.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return warning("MLflow", f"{path} is locked", "another process writes it; close what holds it")
        return problem("MLflow", f"{path}: {error}", todo)
    except sqlite3.DatabaseError as error:
        return problem("MLflow", f"{path}: {error}", todo)
    if found and not set(found) <= _revisions():
        return problem(
            "MLflow", f"{path} was written by a newer MLflow than {have}", "update mlflow, or move the file away"
        )
    return ok("MLflow", f"{have}, {path}")


def _revisions() -> set[str]:
    """Of the database's layout that the installed MLflow knows, without the seconds of its import."""
    spec = find_spec("mlflow")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "store" / "db_migrations" / "versions"
    found = (re.search(r'^revision(?:: str)? = ["\'](\w+)', file.read_text(), re.M) for file in folder.glob("*.py"))
    return {one[1] for one in found if one}
