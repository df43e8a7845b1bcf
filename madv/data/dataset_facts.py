"""What plans and reports need to know of a data set, without its clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from madv.config_model import STREAMS, StreamsConfig
from madv.errors import Problem

SOURCES = {"depth": "depth_anything", "au": "flow"}
"""Where recorded frames get a stream from, by stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFacts:
    """Of one data set; light, since it comes from one small file."""

    kind: str
    """The reader."""
    fingerprint: str
    """SHA-256 of what training reads."""
    class_names: tuple[str, ...]
    clips_per_class: tuple[int, ...]
    clips_per_subject: dict[str, int]
    """Sorted by subject."""
    clips: str
    """SHA-256 of which clips there are, whose, and of which class: variants over equal clips can be paired."""
    recordings: tuple[str, ...]
    """Sorted, of madv.data.identity: the same for two settings or protocols of one data set."""
    streams: dict[str, tuple[int, ...]]
    """Shape of one clip by stream."""
    has_au_targets: bool
    """Whether there are annotated action units."""
    au_names: tuple[str, ...]
    """Of the action-unit stream; empty without one."""
    facts: dict[str, Any]
    """What the reader has to say: ceilings of a synthetic set ("texture+depth": .77), sources of a real one."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(self.clips_per_subject)


def check_streams(facts: DatasetFacts, streams: StreamsConfig) -> list[Problem]:
    """One problem for each stream that the model wants and the data set does not have."""
    has = " and ".join(name for name in STREAMS if name in facts.streams)
    problems = []
    for name in streams.active():
        if name not in facts.streams:
            message = f"{facts.kind} has no {name} stream; it has {has}: set model.streams.{name}=false"
            if name in facts.facts:  # recorded frames: the stream is a setting
                message += f" or dataset.{name}.source={SOURCES[name]}"
            problems.append(Problem(place=f"model.streams.{name}", message=message))
    return problems
