"""What a cell must be, whoever wrote its file: a digest only says that nothing has changed since."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as schemas

from orchestration.cell_columns import Columns

LAST = 2.5e11
"""Unix time, seconds: the year 9892."""
_TEXT = schemas.str_schema(strict=True)
_WHOLE = schemas.int_schema(strict=True)
_COUNT = schemas.nullable_schema(schemas.int_schema(strict=True, ge=0))
_SECONDS = schemas.float_schema(strict=True, ge=0, le=LAST, allow_inf_nan=False)
_CURVES = schemas.dict_schema(_TEXT, schemas.list_schema(schemas.float_schema(strict=True), strict=True), strict=True)
_NEEDED = {
    "key": _TEXT,
    "variant": _TEXT,
    "seed": _WHOLE,
    "subject": _TEXT,
    "state": schemas.literal_schema(["done", "failed"]),
    "class_names": schemas.list_schema(_TEXT, strict=True),
    "seconds": _SECONDS,
    "device": _TEXT,
    "started": _SECONDS,
    "finished": _SECONDS,
}
_OPTIONAL = {
    "history": _CURVES,
    "peak_memory": _COUNT,
    "parameters": _COUNT,
    "versions": schemas.dict_schema(_TEXT, _TEXT, strict=True),
    "reason": schemas.nullable_schema(_TEXT),
}
_REST = SchemaValidator(
    schemas.typed_dict_schema(
        {name: schemas.typed_dict_field(kind) for name, kind in _NEEDED.items()}
        | {name: schemas.typed_dict_field(kind, required=False) for name, kind in _OPTIONAL.items()},
        extra_behavior="forbid",
    )
)


def read_rest(header: bytes) -> dict[str, Any] | None:
    """The fields of a cell that are no columns, from JSON; None if they are not those of a cell."""
    try:
        try:
            rest: dict[str, Any] = _REST.validate_json(header)  # a quarter of the time that json.loads takes
        except ValidationError:  # half a surrogate pair: a traceback may name a file that is no UTF-8
            rest = _REST.validate_python(json.loads(header))
    except (ValueError, RecursionError):
        return None
    return rest | {"class_names": tuple(rest["class_names"])}


def fits(columns: Columns, rest: dict[str, Any]) -> bool:
    """Whether the columns are of one length, of a cell's types, and within its classes; who is done has predicted."""
    clips, classes = len(columns.sample_id), len(rest["class_names"])
    labels = (columns.y_true, columns.y_pred)
    if (
        any(one.dtype != np.int64 or one.shape != (clips,) for one in labels)
        or columns.probabilities.dtype != np.float32
    ):
        return False
    if not clips:
        return bool(rest["state"] == "failed")
    within = all(one.min() >= 0 and one.max() < classes for one in labels)
    return within and columns.probabilities.shape == (clips, classes)
