"""One driver a study: a second one is told so, and one that was killed blocks nobody."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from simulated_search import another_driver, searches

from orchestration.search_guard import alone
from orchestration.search_study import StudyError


@pytest.mark.parametrize("storage", ["", "storage: 'journal:{}/study.log'"])
def test_a_second_driver_is_told_so_and_a_killed_one_blocks_nobody(tmp_path: Path, storage: str) -> None:
    options = f"study: mine\n      {storage.format(tmp_path)}"
    mine = searches(tmp_path, 4, 6, options)
    other = searches(tmp_path, 4, 6, options.replace("mine", "other"))
    with another_driver(tmp_path, options) as process:
        with pytest.raises(StudyError) as caught, alone(mine):
            raise AssertionError("two drivers at once")
        assert "another `madv sweep` is at work on the study 'mine'; wait for its end" in str(caught.value)
        assert "search.yaml:10: metadata.sweep.search.study" in str(caught.value)
        with alone(other):  # in the same storage
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with alone(mine):
            pass


def test_a_storage_that_cannot_be_locked_is_left_to_what_opens_it(tmp_path: Path) -> None:
    with alone(searches(tmp_path, 4, 6, "storage: 'journal:/proc/x/study.log'")):
        pass
    with alone(searches(tmp_path, 4, 6, "storage: 'postgresql://me:secret@127.0.0.1:1/x'")):
        pass
