"""Leaving one subject out: every clip is tested once, and no subject is on both sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from madv.data.folds import leave_one_subject_out

SUBJECTS = st.lists(st.sampled_from(["sub01", "sub02", "sub10", "casme2/sub01", "s1"]), min_size=1, max_size=40)


def test_three_clips_of_two_subjects():
    first, second = leave_one_subject_out(["b", "a", "b"])
    assert (first.subject, first.train.tolist(), first.test.tolist()) == ("a", [0, 2], [1])
    assert (second.subject, second.train.tolist(), second.test.tolist()) == ("b", [1], [0, 2])


@given(SUBJECTS)
def test_every_clip_is_tested_once(subjects):
    tested = np.concatenate([fold.test for fold in leave_one_subject_out(subjects)])
    assert sorted(tested.tolist()) == list(range(len(subjects)))


@given(SUBJECTS)
def test_no_subject_is_on_both_sides(subjects):
    names = np.array(subjects)
    folds = leave_one_subject_out(subjects)
    assert [fold.subject for fold in folds] == sorted(set(subjects))
    for fold in folds:
        assert set(names[fold.test]) == {fold.subject}
        assert fold.subject not in set(names[fold.train])
        assert sorted([*fold.train, *fold.test]) == list(range(len(subjects)))
