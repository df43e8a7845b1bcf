"""Which clips a protocol takes: the published counts on the real files, and the official composite."""

from __future__ import annotations

from collections import Counter

import pytest
from real_files import real_file

from madv.data.annotations.kinds import read
from madv.data.annotations.record import Annotated
from madv.data.protocols import PROTOCOLS, only, select
from madv.errors import DataError


def _counts(kind, classes, expressions="both"):
    protocol = PROTOCOLS[kind, classes]
    clips = read(real_file(kind), kind).clips
    taken, excluded = select(clips, protocol, expressions)
    assert len(taken) + len(excluded) == len(clips)
    subjects = len({clip.subject for clip in taken})
    return subjects, dict(Counter(protocol.classes[clip.emotion] for clip in taken))


@pytest.mark.parametrize(
    ("kind", "classes", "subjects", "counts"),
    [
        ("casme2", 5, 26, {"disgust": 63, "happiness": 32, "others": 99, "repression": 27, "surprise": 25}),
        (
            "casme2",
            7,
            26,
            {"disgust": 63, "fear": 2, "happiness": 32, "others": 99, "repression": 27, "sadness": 7, "surprise": 25},
        ),
        ("casme2", 3, 24, {"negative": 88, "positive": 32, "surprise": 25}),
        ("samm", 5, 27, {"anger": 57, "contempt": 12, "happiness": 26, "others": 26, "surprise": 15}),
        ("samm", 3, 28, {"negative": 92, "positive": 26, "surprise": 15}),
        ("smic", 3, 16, {"negative": 65, "positive": 51, "surprise": 41}),
    ],
)
def test_the_published_counts(kind, classes, subjects, counts):
    assert _counts(kind, classes) == (subjects, counts)


def test_all_of_samm_and_casme_sq():
    subjects, counts = _counts("samm", 8)
    assert (subjects, sum(counts.values()), len(counts)) == (29, 159, 8)
    assert _counts("casme_sq", 4, "micro") == (14, {"negative": 21, "others": 19, "positive": 8, "surprise": 9})
    assert sum(_counts("casme_sq", 4, "macro")[1].values()) == 300
    assert _counts("casme_sq", 4, "both")[0] == 22
    assert sum(_counts("casme_sq", 3, "micro")[1].values()) == 57 - 19


def _clip(sample_id, emotion, **more):
    subject = sample_id.split("/")[0]
    return Annotated(row=1, sample_id=sample_id, subject=subject, emotion=emotion, folder=sample_id, **more)


def test_the_three_clips_of_2019_are_surprise_in_the_five_classes_and_not_in_the_composite():
    # 246 of 2014 and these three are the 249 of 2019.
    clips = [
        _clip("sub17/EP15_01", "surprise"),
        _clip("sub24/EP07_01", "sadness"),
        _clip("sub01/EP02_01f", "happiness"),
    ]
    taken, excluded = select(clips, PROTOCOLS["casme2", 5])
    assert [clip.sample_id for clip in taken] == ["sub17/EP15_01", "sub01/EP02_01f"]
    assert excluded[0].why == "shows sadness, which is none of disgust, happiness, others, repression, surprise"
    taken, excluded = select(clips, PROTOCOLS["casme2", 3])
    assert [clip.sample_id for clip in taken] == ["sub01/EP02_01f"]
    assert excluded[0].why == "is not among MEGC2019's clips: sadness in the coding of 2014"


def test_clips_without_emotion_and_of_the_other_expression_are_named():
    clips = [_clip("s15/a1_1", ""), _clip("s15/a1_2", "others", expression="macro")]
    taken, excluded = select(clips, PROTOCOLS["casme_sq", 4], "micro")
    assert not taken
    assert [e.why for e in excluded] == ["has no emotion", "is a macro-expression, and dataset.expressions=micro"]


@pytest.mark.parametrize("key", PROTOCOLS)
def test_as_many_classes_as_the_setting_says_in_alphabetical_order(key):
    names = PROTOCOLS[key].class_names
    assert len(names) == key[1]
    assert list(names) == sorted(names)


def test_some_emotions_only():
    three, five = PROTOCOLS["samm", 3], PROTOCOLS["samm", 5]
    assert only(three, ["Fear", "happiness"], three.classes).class_names == ("negative", "positive")
    assert only(five, ["other", "anger"], five.classes).class_names == ("anger", "others")
    with pytest.raises(DataError) as caught:
        only(five, ["fear", "angr"], five.classes)
    assert len(caught.value.problems) == 2
    assert "did you mean 'anger'?" in str(caught.value)
