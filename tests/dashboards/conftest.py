"""What the tests of the report share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from made_up import make_study

from dashboards.study import Study


@pytest.fixture
def study_of() -> Callable[..., Study]:
    """The maker of made-up studies."""
    return make_study
