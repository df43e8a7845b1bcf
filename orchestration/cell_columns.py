"""The columns of a cell straight from the bytes that cell_file.encode writes, without a Parquet library.

To open a file and read four columns of a few rows costs a library a third of a millisecond, which a report of 20,000
cells pays 20,000 times; this takes a sixth of it. It knows one layout alone, that of encode: in each column one page of
plain values without compression, and in the footer the header and its digest. Whatever looks otherwise is None here and
the library's to read; what was read is only used if the digest says that it is what was written.

Source: the Parquet format's PageHeader and KeyValue in Thrift's compact protocol.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

HEADER = b"madv"
"""Metadata key of the JSON with every field that is not a column."""
DIGEST = b"madv_sha256"
"""Metadata key of the SHA-256 of header and columns."""
MAGIC = b"PAR1"
VARINT = rb"([\x80-\xff]*[\x00-\x7f])"
PAGE = re.compile(
    # Kind 0 (data), bytes, the same as they are not compressed; rows; plain values, run-length levels, no statistics.
    rb"\x15\x00\x15" + VARINT + rb"\x15\1\x2c\x15" + VARINT + rb"\x15\x00\x15\x06\x15\x06\x1c\x00\x00\x00"
)
TEXT = re.compile(rb"\x18\x04" + HEADER + rb"\x18" + VARINT)
SIGNED = re.compile(rb"\x00\x18\x0b" + DIGEST + rb"\x18\x40([0-9a-f]{64})")


class Columns(NamedTuple):
    """What a file holds, before anything is made of it."""

    header: bytes
    digest: bytes
    sample_id: tuple[str, ...]
    y_true: npt.NDArray[np.int64]
    y_pred: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    """(n, C)"""


def read_columns(content: bytes) -> Columns | None:
    """The columns of a file with at least one row; None if its layout is not encode's."""
    if not content.endswith(MAGIC):
        return None
    pages, place = [], len(MAGIC)
    for _ in range(4):
        page = PAGE.match(content, place)
        if page is None:
            return None
        place = page.end() + _number(page[1]) // 2  # signed numbers are doubled, strings' lengths below are not
        pages.append((page.end(), place, _number(page[2]) // 2))
    text = TEXT.search(content, place)
    end = text.end() + _number(text[1]) if text else 0
    signed = SIGNED.match(content, end)
    if text is None or signed is None:
        return None
    rows = pages[0][2]
    try:
        y_true, y_pred = (_last(content, pages[column][1], rows, np.int64) for column in (1, 2))
        probabilities = _last(content, pages[3][1], pages[3][2], np.float32).reshape(rows, -1)
        sample_id = _texts(content[slice(*pages[0][:2])], rows)
    except ValueError:  # sizes that do not fit each other, or no UTF-8
        return None
    return Columns(content[text.end() : end], signed[1], sample_id, y_true, y_pred, probabilities)


def _last(content: bytes, end: int, count: int, kind: type[Any]) -> npt.NDArray[Any]:
    """The page's values, which come after its levels; a copy, so that the file's other bytes are let go."""
    return np.frombuffer(content, kind, count, end - count * np.dtype(kind).itemsize).copy()


def _texts(page: bytes, rows: int) -> tuple[str, ...]:
    """After the levels of the page: each text's length in four bytes, and the text."""
    texts, place = [], 4 + int.from_bytes(page[:4], "little")
    for _ in range(rows):
        start = place + 4
        place = start + int.from_bytes(page[place:start], "little")
        texts.append(page[start:place].decode())
    return tuple(texts)


def _number(varint: bytes) -> int:
    """Seven bits a byte, the lowest first."""
    number = 0
    for place, byte in enumerate(varint):
        number |= (byte & 0x7F) << 7 * place
    return number
