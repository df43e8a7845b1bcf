"""What it would be worth to know only whose a clip is: why a random split of clips flatters, or does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


def identity_guess(sample_labels: Mapping[str, tuple[int, str]]) -> tuple[float, float]:
    """Share of clips whose class is the most frequent of their subject's other clips, and share of the largest class.

    Of classes that are equally frequent each is guessed equally often; for a subject's only clip it is the largest
    class of all.

    Args:
        sample_labels: clip -> (class index, subject).
    """
    everywhere = Counter(label for label, _ in sample_labels.values())
    own: dict[str, Counter[int]] = {}
    for label, subject in sample_labels.values():
        own.setdefault(subject, Counter())[label] += 1
    right = 0.0
    for label, subject in sample_labels.values():
        others = own[subject] - Counter([label]) or everywhere
        best = [kind for kind, clips in others.items() if clips == max(others.values())]
        right += (label in best) / len(best)
    return right / len(sample_labels), max(everywhere.values()) / len(sample_labels)


def identity_note(sample_labels: Mapping[str, tuple[int, str]]) -> str:
    """The two shares and what follows from them."""
    guessed, largest = identity_guess(sample_labels)
    effect = "rewards" if guessed > largest else "punishes" if guessed < largest else "does nothing for"
    return (
        f"Whoever knows only a clip's subject and the classes of its other clips guesses {guessed:.1%} of the clips; "
        f"the largest class has {largest:.1%}. So a random split {effect} recognising people in these data."
    )
