"""Which clips a protocol takes, and their classes; the names of the classes are in alphabetical order, always."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from madv.data.annotations import casme2, casme_sq, samm, smic
from madv.data.annotations.record import Annotated, plain_emotion
from madv.errors import DataError, Problem, unknown

Expressions = Literal["micro", "macro", "both"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Excluded:
    """A clip that the annotation has and the protocol does not take."""

    row: int | None
    """Of the annotation file."""
    sample_id: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """Classes of a data set."""

    classes: Mapping[str, str]
    """Class by emotion; clips of another emotion are left out."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Reason by sample id."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """In alphabetical order: label i is class_names[i]."""
        return tuple(sorted(set(self.classes.values())))


def _each(emotions: Iterable[str]) -> dict[str, str]:
    return {emotion: emotion for emotion in emotions}


# MEGC2019 (See et al., 2019) goes by the coding of 2014: 145 of CASME-II, 133 of SAMM, 164 of SMIC.
_MEGC_CASME2 = {"disgust": "negative", "repression": "negative", "happiness": "positive", "surprise": "surprise"}
_MEGC_SAMM = {
    **dict.fromkeys(("anger", "contempt", "disgust", "fear", "sadness"), "negative"),
    "happiness": "positive",
    "surprise": "surprise",
}
_NOT_IN_MEGC = {
    "sub04/EP12_01f": "is not among MEGC2019's clips: it has no apex",
    "sub05/EP09_05f": "is not among MEGC2019's clips: its apex is its onset",
    **dict.fromkeys(casme2.SADNESS_OF_2014, "is not among MEGC2019's clips: sadness in the coding of 2014"),
}

PROTOCOLS: dict[tuple[str, int], Protocol] = {
    ("casme2", 7): Protocol(classes=_each(casme2.EMOTIONS)),
    ("casme2", 5): Protocol(classes=_each(set(casme2.EMOTIONS) - {"sadness", "fear"})),
    ("casme2", 3): Protocol(classes=_MEGC_CASME2, left_out=_NOT_IN_MEGC),
    ("samm", 8): Protocol(classes=_each(samm.EMOTIONS)),
    ("samm", 5): Protocol(classes=_each(("anger", "contempt", "happiness", "others", "surprise"))),
    ("samm", 3): Protocol(classes=_MEGC_SAMM),
    ("smic", 3): Protocol(classes=_each(smic.EMOTIONS)),
    ("casme_sq", 4): Protocol(classes=_each(casme_sq.EMOTIONS)),
    ("casme_sq", 3): Protocol(classes=_each(("negative", "positive", "surprise"))),
}
"""By data set and number of classes (dataset.classes)."""


def own_protocol(clips: Iterable[Annotated]) -> Protocol:
    """Of a data set without one: each emotion is a class."""
    return Protocol(classes=_each(clip.emotion for clip in clips))


MEGC_EMOTIONS = frozenset(_MEGC_CASME2) | frozenset(_MEGC_SAMM) | frozenset(smic.EMOTIONS)
"""All that its three data sets are annotated with."""


def only(protocol: Protocol, emotions: Sequence[str] | None, known: Iterable[str]) -> Protocol:
    """The protocol with these emotions alone; None: all.

    Raises:
        DataError: an emotion that is not known, to this data set or to another of a composite.
    """
    if emotions is None:
        return protocol
    wanted = [plain_emotion(emotion) for emotion in emotions]
    known = frozenset(known)
    strangers = [emotion for emotion in wanted if emotion not in known]
    if strangers or not wanted:
        messages = [unknown("emotion", emotion, known) for emotion in strangers] or ["is empty"]
        raise DataError([Problem(place="dataset.emotions", message=message) for message in messages])
    classes = {emotion: name for emotion, name in protocol.classes.items() if emotion in wanted}
    return Protocol(classes=classes, left_out=protocol.left_out)


def select(
    clips: Iterable[Annotated], protocol: Protocol, expressions: Expressions = "both"
) -> tuple[list[Annotated], list[Excluded]]:
    """The clips that the protocol takes, and each of the others with the reason."""
    taken: list[Annotated] = []
    excluded: list[Excluded] = []
    for clip in clips:
        why = _why_not(clip, protocol, expressions)
        if why is None:
            taken.append(clip)
        else:
            excluded.append(Excluded(row=clip.row, sample_id=clip.sample_id, why=why))
    return taken, excluded


def _why_not(clip: Annotated, protocol: Protocol, expressions: Expressions) -> str | None:
    if expressions not in ("both", clip.expression):
        return f"is a {clip.expression}-expression, and dataset.expressions={expressions}"
    if not clip.emotion:
        return "has no emotion"
    if clip.emotion not in protocol.classes:
        return f"shows {clip.emotion}, which is none of {', '.join(sorted(protocol.classes))}"
    return protocol.left_out.get(clip.sample_id)
