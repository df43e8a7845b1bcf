"""How a network's cost grows with the frames of a clip and with their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from madv.complexity import Complexity, Count, count, measure
from madv.config import Config
from madv.fits import Shapes, shape_misfits

RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5)
"""How frames, or height and width, are stretched."""

Varied = Literal["frames", "size"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GrowthPoint:
    """The cost at one shape of the clips; MACs and seconds are of one clip."""

    varied: Varied
    ratio: float
    """To the configured frames, or height and width; the point at 1 is the configured clip."""
    frames: int
    height: int | None
    """Pixels, as width; None where all streams are action units."""
    width: int | None
    tokens: int | None
    """L of the largest grid; None for the comparison methods, as are the next three."""
    encoders: int | None
    """MACs measured in the encoders, which the formulas are about."""
    paper: int | None
    """Eq. 24 and 25 over all encoders."""
    linear: int | None
    """The exact count of joint attention with linear projections over all encoders."""
    macs: int
    """Measured in the whole network."""
    latency_s: float | None = None
    """None where MACs alone were asked for, as is the next."""
    peak_memory: int | None = None


def growth(
    config: Config, shapes: Shapes, num_classes: int, *, runs: int = 3, targets: bool = True
) -> list[GrowthPoint]:
    """The cost along frames, then along height and width; what the network cannot take is left out.

    Args:
        config: as for measure.
        shapes: of the streams, to be stretched.
        num_classes: K.
        runs: whose median is the latency; 0: MACs alone.
        targets: as for measure.
    """
    points = []
    known: dict[tuple[tuple[int, ...], ...], Complexity | Count] = {}
    varied: Varied
    for varied in ("frames", "size"):
        drawn = set()
        for ratio in RATIOS:
            stretched = {name: _stretched(shape, varied, ratio) for name, shape in shapes.items()}
            key = tuple(stretched.values())
            if key in drawn or min(map(min, key)) < 1 or shape_misfits(config, stretched):
                continue
            if key not in known:
                known[key] = (
                    measure(config, stretched, num_classes, runs=runs, targets=targets)
                    if runs
                    else count(config, stretched, num_classes, targets=targets)
                )
            drawn.add(key)
            points.append(_point(varied, ratio, stretched, known[key]))
    return points


def _stretched(shape: tuple[int, ...], varied: Varied, ratio: float) -> tuple[int, ...]:
    """(C, T, H, W) or (n_au, T) with other frames, or with frames of another size."""
    first, frames, *size = shape
    if varied == "frames":
        return (first, int(frames * ratio), *size)
    return (first, frames, *(int(side * ratio) for side in size))


def _point(varied: Varied, ratio: float, shapes: Shapes, cost: Complexity | Count) -> GrowthPoint:
    visual = next((shape for shape in shapes.values() if len(shape) == 4), None)
    encoders = cost.formula
    return GrowthPoint(
        varied=varied,
        ratio=ratio,
        frames=next(iter(shapes.values()))[1],
        height=visual[2] if visual else None,
        width=visual[3] if visual else None,
        tokens=max(encoder.tokens for encoder in encoders) if encoders else None,
        encoders=sum(encoder.measured for encoder in encoders) if encoders else None,
        paper=sum(encoder.paper for encoder in encoders) if encoders else None,
        linear=sum(encoder.linear for encoder in encoders) if encoders else None,
        macs=cost.macs,
        latency_s=cost.latency_s if isinstance(cost, Complexity) else None,
        peak_memory=cost.peak_memory if isinstance(cost, Complexity) else None,
    )
