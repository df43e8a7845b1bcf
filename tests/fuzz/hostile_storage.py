"""Networks, logs and addresses of storage, and what reads them."""

from __future__ import annotations

import contextlib
import io
import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from damage import ODD, TEXTS, altered, damaged
from hostile_names import KEY
from hypothesis import strategies as st
from safetensors.torch import save

from madv import checkpoint, pretrained
from orchestration import addresses, cli_logs
from orchestration.checkpoints import CheckpointStore
from orchestration.folders import open_folder
from orchestration.weights import WeightsError

STATE = {"streams.a.weight": torch.ones(2, 3), "streams.a.bias": torch.zeros(0)}
TENSORS = (
    torch.ones(1, dtype=torch.bfloat16),
    torch.ones(2, 3, dtype=torch.float8_e4m3fn),
    torch.ones((), dtype=torch.bool),
)
WEIGHTS: dict[str, Any] = {
    "history": {checkpoint.TRAINING: {"loss": [1.0]}, checkpoint.AGAIN: {checkpoint.MOVED: [0.0]}},
    "seconds": 1.0,
    "clips": 3,
}


def network(header: object, state: dict[str, torch.Tensor]) -> bytes:
    """A file with the digest that belongs to it, if one can be had."""
    text, digest = json.dumps(header), ""
    with contextlib.suppress(Exception):  # it is for decode to say so
        digest = pretrained._digest(text, state)
    own = {name: tensor.clone() for name, tensor in state.items()}  # no two of them one
    content: bytes = save(own, metadata={pretrained.HEADER: text, pretrained.DIGEST: digest})
    return content


def networks() -> st.SearchStrategy[bytes]:
    """Damaged, or whole with a digest that holds and something else in them."""
    histories = altered(WEIGHTS["history"], ODD | altered({checkpoint.MOVED: [0.0]}))
    headers = altered(WEIGHTS, ODD | histories) | histories.map(lambda one: {**WEIGHTS, "history": one}) | ODD
    signed = st.builds(network, headers, st.just(STATE) | altered(STATE, st.sampled_from(TENSORS)))
    return signed | damaged([network(WEIGHTS, STATE)])


def read_network(folder: Path, content: bytes) -> None:
    """And what a store says of one that failed."""
    store = CheckpointStore(folder)
    for name in (store._attempts(KEY), KEY + store.failed):
        store.folder.put(name, content[-20:])
    assert store.attempts(KEY) >= 0
    with pytest.raises(WeightsError):
        store.read(KEY)
    place = str(folder / "hostile.safetensors")
    pretrained.decode(content, place)
    checkpoint.from_file(content, place)


CELL_EVENT: dict[str, Any] = {
    "time": "2026-01-01T00:00:00.000+00:00",
    "sweep": "ablate",
    "event": "cell ended",
    "key": KEY,
    "variant": "reference",
    "seed": 0,
    "subject": "s01",
    "state": "failed",
    "seconds": 1.5,
    "traceback": "Traceback\nValueError: x",
    "node": "host",
    "pid": 7,
}
EVENTS = (
    {"time": CELL_EVENT["time"], "sweep": "ablate", "event": "sweep started", "planned": 2, "pid": 1},
    {**CELL_EVENT, "event": "attempt failed", "attempt": 1},
    {**CELL_EVENT, "event": "cell warned", "message": "odd"},
    CELL_EVENT,
    {"time": CELL_EVENT["time"], "sweep": "ablate", "event": "sweep ended", "exit_code": 1, "seconds": 9.0},
)


def lines(events: Sequence[object]) -> bytes:
    """A log."""
    return "".join(f"{json.dumps(event)}\n" for event in events).encode()


def logs() -> st.SearchStrategy[tuple[str | None, bytes]]:
    """What is asked for, and the file."""
    odd = st.lists(st.sampled_from(EVENTS).flatmap(altered) | ODD, max_size=5).map(lines)
    asked = st.sampled_from([None, "a", KEY, "reference/0/s01"]) | TEXTS
    return st.tuples(asked, damaged([lines(EVENTS), b"[" * 2000, b'{"a":' * 2000]) | odd)


def read_logs(folder: Path, asked: tuple[str | None, bytes]) -> None:
    """`madv logs`, with and without --json."""
    file = folder / "logs" / "ablate" / "run.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(asked[1])
    for as_json in (False, True):
        with contextlib.redirect_stdout(io.StringIO()):
            cli_logs.run(Namespace(store=str(folder), cell=asked[0], sweep=None, json=as_json))


NOWHERE = "nowhere://hostile"
PARTS = (
    "store",
    "~",
    "/",
    "//",
    "://",
    "file://",
    "mock://",
    "nfs://",
    "me:you@",
    ":",
    "@",
    "?",
    "&token=",
    "%",
    "%00",
    " ",
)


def addresses_of_storage() -> st.SearchStrategy[tuple[str, str]]:
    """A scheme, and parts of addresses in any order, some of them thousands of times."""
    many = st.builds(
        lambda text, length: text * (length // len(text)), st.sampled_from(PARTS), st.sampled_from((9, 30_000))
    )
    texts = st.lists(st.sampled_from(PARTS) | TEXTS | many, max_size=6).map("".join)
    return st.tuples(st.sampled_from(("", "file://", NOWHERE)), texts)


def open_address(folder: Path, address: tuple[str, str]) -> None:
    """What is printed of it, and the folder that it names."""
    scheme, text = address
    said = addresses.without_password(f"postgresql://me:hunter2@host/{text}")
    assert "hunter2" not in said and "hunter2" not in addresses.without_password(f"x://me:hunter2@{text} {text}")
    if ".." in text or "%" in text:  # the fuzz stays in its folder
        return
    open_folder(f"{scheme}{'' if scheme == NOWHERE else folder}/hostile/{text}", "cells").names()
