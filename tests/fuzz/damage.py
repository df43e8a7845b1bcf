"""Inputs that do harm: real ones with parts dropped, doubled, swapped and replaced, and values of the wrong kind."""

from __future__ import annotations

import io
import os
import random
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

LONG = int(os.environ.get("MADV_FUZZ", 0))
"""Inputs over all kinds; 0: the short form."""
SEED = int(os.environ.get("MADV_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
"""Of the long form."""
GRAINS = (re.compile(rb"(?s)."), re.compile(rb"[\w.-]+|\s+|."), re.compile(rb"[^\n]*\n|[^\n]+"))
"""A file's bytes, words and lines."""
HARM = tuple(
    one if isinstance(one, bytes) else one.encode("utf-8", "surrogatepass")
    for one in (
        *("", " ", "\n", "\t", ",", ":", "'", '"', "=", "-", "?", "/", "null", "true", "off", "NaN", ".nan", "-.inf"),
        *("0", "-1", "1.5", "1e9", "1e999", "1_000", "0x1F", "1:30", "9" * 25, "9" * 5000, "2024-13-45", "2024-02-29"),
        *("[]", "{}", "[a, {b: c}]", "{when: a=b}", "&a [*a]", "*a", "<<: *a", "!!int x", "!!float x", "!!binary x"),
        *("!!python/object:os.system x", "!!set {a}", "!!timestamp x", "[" * 2000, "{a: " * 60, "(" * 300, "a." * 3000),
        *("\0", "\x1b[2J", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800", "e\u0301" * 9, "😀", "²", "٣", "İ", "ß"),
        *("x" * 100_000, "x y " * 9000, "[1,2]," * 2000, "x=", "a=b", "${oc.env:HOME}", "../../x", "file:///etc", "//"),
        *(b"\xff\xfe", b"\x80", b"\xc3", b"PK\x03\x04", b"PAR1", b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(64)),
    )
)
PIECES = st.sampled_from(HARM) | st.binary(min_size=1, max_size=4)
TEXTS = st.text(max_size=20) | st.sampled_from([one.decode("utf-8", "surrogateescape") for one in HARM])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([10**30, -1, 0, 1]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
"""What JSON can say."""


@st.composite
def damaged(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """One of these after up to four changes: a run of bytes, words or lines becomes another, or nothing."""
    content = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        parts = draw(st.sampled_from(GRAINS)).findall(content)
        start = draw(st.integers(0, len(parts)))
        end = start + draw(st.sampled_from((0, 1, 1, 1, 2, 5, 50, len(parts))))
        there = draw(st.integers(0, len(parts)))
        piece = draw(
            PIECES | st.just(b"".join(parts[start:end])) | st.just(b"".join(parts[there : there + end - start]))
        )
        content = b"".join([*parts[:start], piece, *parts[end:]])
    return content


@st.composite
def repacked(draw: st.DrawFn, archives: Sequence[bytes]) -> bytes:
    """A zip archive that is whole, with a member that is not."""
    with zipfile.ZipFile(io.BytesIO(draw(st.sampled_from(archives)))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from(sorted(members)))
    members[name] = draw(damaged([members[name]]))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


@st.composite
def altered(draw: st.DrawFn, sound: Mapping[str, Any], other: st.SearchStrategy[Any] = ODD) -> dict[str, Any]:
    """A mapping with up to three values dropped, added or replaced."""
    changed = dict(sound)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([*sound, "stranger"]))
        if draw(st.booleans()):
            changed[name] = draw(other)
        else:
            changed.pop(name, None)
    return changed
