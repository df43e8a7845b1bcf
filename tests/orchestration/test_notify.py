"""A webhook hears how a sweep ended; what it cannot be told is one line without its secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from webhook_server import webhook_server

from madv.errors import MadvError, SpecError, StorageError
from orchestration.ending import tell_lost, told
from orchestration.notify import VARIABLE, notify
from orchestration.spec import load_spec

SECRET = "s3cr3t-token"
FILE = """
cluster_name: heard
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny]
    design: variants
    variants: {{whole: [], plain: [model.fusion=concatenated]}}
    notify: {{url: {url}}}
"""


@pytest.fixture
def hook() -> Iterator[SimpleNamespace]:
    """What listens to webhooks."""
    with webhook_server(SECRET) as heard:
        yield heard


def prepared(url: str | None) -> Any:
    spec = SimpleNamespace(cluster_name="heard", question="Why?", digest="f" * 64, notify=url)
    cells = [SimpleNamespace(key=key) for key in "abc"]
    states = {"a": "done", "b": "done", "c": "failed"}
    store = SimpleNamespace(states=lambda keys: {key: states[key] for key in keys})
    return SimpleNamespace(plan=SimpleNamespace(spec=spec, cells=cells), searches=(), store=store)


@pytest.mark.parametrize(("code", "event"), [(0, "finished"), (1, "cells failed"), (130, "stopped"), (2, "failed")])
def test_an_end_is_told_with_its_verdict(hook: SimpleNamespace, code: int, event: str) -> None:
    def run(summary: dict[str, Any]) -> int:
        summary["verdict"] = "“texture=off” is worse"
        return code

    assert told(prepared(hook.url), run) == code
    ((path, kind, body),) = hook.bodies
    assert (path, kind) == (f"/hooks/{SECRET}", "application/json")
    assert body.pop("seconds") >= 0
    assert body == {
        "event": event,
        "exit_code": code,
        "sweep": "heard",
        "question": "Why?",
        "digest": "f" * 12,
        "cells": {"planned": 3, "done": 2, "failed": 1},
        "verdict": "“texture=off” is worse",
    }


def test_an_error_is_told_and_goes_on(hook: SimpleNamespace) -> None:
    def run(summary: dict[str, Any]) -> int:
        raise MadvError("the disk is full")

    with pytest.raises(MadvError, match="the disk is full"):
        told(prepared(hook.url), run)
    body = hook.bodies[0][2]
    assert (body["event"], body["exit_code"], body["error"]) == ("failed", None, "the disk is full")


def test_storage_that_is_gone_is_told_without_its_cells(hook: SimpleNamespace) -> None:
    def gone(*_: object) -> Any:
        raise StorageError("the storage is in trouble")

    ready = prepared(hook.url)
    ready.store = SimpleNamespace(states=gone)
    with pytest.raises(StorageError):
        told(ready, gone)
    ((_, _, body),) = hook.bodies
    assert (body["event"], body["cells"], body["error"]) == ("failed", {}, "the storage is in trouble")


def test_a_lost_ray_is_told(hook: SimpleNamespace) -> None:
    tell_lost(prepared(hook.url), "Ray's raylet ended")
    ((_, _, body),) = hook.bodies
    assert (body["event"], body["exit_code"], body["error"]) == ("failed", 2, "Ray is lost: Ray's raylet ended")


def test_a_webhook_that_fails_stops_nothing_and_keeps_its_secret(
    hook: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answer = 503
    assert notify(hook.url, {}) == "the webhook at 127.0.0.1 answers 503"
    closed = f"http://127.0.0.1:9/{SECRET}"
    assert told(prepared(closed), lambda summary: 0) == 0
    said = capsys.readouterr().err
    assert said == "madv: not notified: the webhook at 127.0.0.1 cannot be reached: Connection refused\n"


def test_without_a_webhook_nobody_is_told(monkeypatch: pytest.MonkeyPatch, hook: SimpleNamespace) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert told(prepared(None), lambda summary: 0) == 0
    assert hook.bodies == []
    monkeypatch.setenv(VARIABLE, hook.url)
    assert told(prepared(None), lambda summary: 0) == 0
    assert len(hook.bodies) == 1


def test_the_file_names_it_and_it_is_part_of_no_digest(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    specs = []
    for url in ("https://one.example/a", "https://two.example/b"):
        file.write_text(FILE.format(url=url))
        specs.append(load_spec(file))
    assert [spec.notify for spec in specs] == ["https://one.example/a", "https://two.example/b"]
    assert specs[0].digest == specs[1].digest
    assert "example" not in repr(specs[0])


@pytest.mark.parametrize("url", [f"ftp://host/{SECRET}", SECRET, "7", "'http://'"])
def test_what_is_no_webhook_is_said_without_repeating_it(tmp_path: Path, url: str) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(FILE.format(url=url))
    with pytest.raises(SpecError) as error:
        load_spec(file)
    (problem,) = error.value.problems
    assert problem.message == "must be the address of a webhook, http://... or https://..."
    assert SECRET not in str(error.value)
