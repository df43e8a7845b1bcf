"""Every clip is tested once, whatever the protocol; no subject is on both sides unless clips are split at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madv.config import ProtocolConfig
from madv.data.folds import leave_one_subject_out, make_folds

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


PROTOCOLS = st.builds(ProtocolConfig, split=st.sampled_from(["subjects", "clips"]), copies=st.integers(1, 4))


@given(SUBJECTS, PROTOCOLS, st.integers(0, 2**32 - 1))
def test_every_protocol_tests_each_clip_once_in_folds_of_the_subjects_sizes(subjects, protocol, seed):
    folds = make_folds(protocol, subjects, seed)
    held_out = leave_one_subject_out(subjects)
    assert [fold.subject for fold in folds] == [fold.subject for fold in held_out]
    assert [len(fold.test) for fold in folds] == [len(fold.test) for fold in held_out]
    assert [len(fold.train) for fold in folds] == [len(fold.train) * protocol.copies for fold in held_out]
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(subjects)))
    for fold in folds:
        own = fold.train if fold.copies is None else fold.train[fold.copies == 0]
        assert not set(own) & set(fold.test)


def test_copies_that_stay_with_their_subject():
    first, _ = make_folds(ProtocolConfig(copies=2), ["b", "a", "b"], seed=0)
    assert first.test.tolist() == [1]
    assert first.train.tolist() == [0, 2, 0, 2]
    assert first.copies is not None and first.copies.tolist() == [0, 0, 1, 1]


def test_a_random_split_puts_subjects_on_both_sides_and_copies_of_tested_clips_among_the_training_clips():
    subjects = np.repeat([f"s{i}" for i in range(12)], 9)
    clips = make_folds(ProtocolConfig(split="clips"), subjects, seed=1)
    assert all(set(subjects[fold.test]) & set(subjects[fold.train]) for fold in clips)
    copies = make_folds(ProtocolConfig(split="clips", copies=4), subjects, seed=1)
    # Each of the 108 x 3 copies is in one of 12 folds, so that 11/12 of them train beside their own clip's test.
    shared = sum(np.isin(fold.train, fold.test).sum() for fold in copies)
    assert shared / (108 * 3) == pytest.approx(11 / 12, abs=0.05)
    assert all(one.test.tolist() == other.test.tolist() for one, other in zip(clips, copies, strict=True))
    other_seed = make_folds(ProtocolConfig(split="clips"), subjects, seed=2)
    assert any(one.test.tolist() != other.test.tolist() for one, other in zip(clips, other_seed, strict=True))
