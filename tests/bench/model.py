"""Print what MADV-Net costs beside VideoMAE-B on the same clips: training step, inference, MACs, parameters."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from madv.complexity import measure_module
from madv.compose import compose
from madv.data.action_units import AU_NAMES
from madv.losses import joint_loss
from madv.model.network import MADVNet, initialise

FRAMES, SIZE, CLASSES = 16, 112, 3
SHAPES = {"texture": (3, FRAMES, SIZE, SIZE), "depth": (1, FRAMES, SIZE, SIZE), "au": (len(AU_NAMES), FRAMES)}
MOST_PARAMETERS, MOST_MACS, LEAST_RATIO = 12e6, 5e9, 6.0
NAMES = ("MADV-Net", "VideoMAE-B")

Loss = Callable[[], torch.Tensor]


class Taken(NamedTuple):
    """Seconds of a run."""

    wall: float
    cpu: float


def networks(device: torch.device, batch: int) -> Mapping[str, tuple[nn.Module, object, Loss]]:
    """By name: the network, its input, and its training loss on that input. VideoMAE-B reads the texture alone."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    torch.manual_seed(0)
    clips = {name: torch.randn(batch, *shape, device=device) for name, shape in SHAPES.items()}
    pixels = clips["texture"].transpose(1, 2).contiguous()
    target = torch.arange(batch, device=device) % CLASSES
    units = torch.zeros(batch, len(AU_NAMES), device=device)
    weights = torch.ones(CLASSES, device=device)

    config = compose(["model=madv_base"])
    madv = MADVNet(config.model, config.loss, SHAPES, CLASSES)
    initialise(madv, "bench")
    settings = VideoMAEConfig(num_frames=FRAMES, image_size=SIZE)  # B is the default
    settings.num_labels = CLASSES
    mae: nn.Module = VideoMAEForVideoClassification(settings)
    madv, mae = madv.to(device), mae.to(device)
    return {
        "MADV-Net": (madv, clips, lambda: joint_loss(madv(clips), target, units, weights, config.loss)[0]),
        "VideoMAE-B": (mae, pixels, lambda: functional.cross_entropy(mae(pixels).logits.float(), target)),
    }


def training_step(network: nn.Module, loss: Loss, device: torch.device) -> Callable[[], None]:
    """One step of AdamW; in bf16 on a GPU, as training does it."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        network.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            value = loss()
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()

    return step


def prediction(network: nn.Module, loss: Loss, device: torch.device) -> Callable[[], None]:
    """The forward pass of a batch, as prediction does it."""

    def predict() -> None:
        network.eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss()

    return predict


def in_turns(work: Mapping[str, Callable[[], None]], runs: int, device: torch.device) -> dict[str, Taken]:
    """Median times of each, in turns, so that a busy moment of the machine meets all.

    Each is run once untimed at every turn: what the other left behind (caches, freed memory) is not its own cost.
    """
    taken: dict[str, list[Taken]] = {name: [] for name in work}
    for _ in range(runs):
        for name, run in work.items():
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            start = Taken(time.perf_counter(), time.process_time())
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken[name].append(Taken(time.perf_counter() - start.wall, time.process_time() - start.cpu))
    return {name: Taken(*map(statistics.median, zip(*times, strict=True))) for name, times in taken.items()}


def bench(device: torch.device, batch: int, runs: int) -> None:
    """Print the figures of one device."""
    built = networks(device, batch)
    on_cpu = device.type == "cpu"
    where = f"CPU, {torch.get_num_threads()} threads" if on_cpu else torch.cuda.get_device_name(device)
    print(f"{where}, batch {batch}, clips of {FRAMES}x{SIZE}x{SIZE}, medians of {runs} runs in turns")
    for what, make in (("training step", training_step), ("inference", prediction)):
        taken = in_turns(
            {name: make(network, loss, device) for name, (network, _, loss) in built.items()}, runs, device
        )
        ours, theirs = (taken[name] for name in NAMES)
        times = ", ".join(f"{name} {taken[name].wall * 1e3:,.1f} ms" for name in NAMES)
        ratio = theirs.wall / ours.wall
        goal = _goal(ratio >= LEAST_RATIO, "at least 6") if on_cpu and make is training_step else ""
        # What else the machine runs is in the wall time and not in the processor's.
        processor = f"; by processor time {theirs.cpu / ours.cpu:.1f}" if on_cpu else ""
        print(f"  {what}: {times}: MADV-Net is {ratio:.1f} times as fast{goal}{processor}")


def bench_size() -> None:
    """Print parameters and MACs of a clip; counts, the same on every machine."""
    for name, (network, inputs, _) in networks(torch.device("cpu"), 1).items():
        cost = measure_module(network, inputs, runs=1, device="cpu")
        parameters, macs = f"{cost.parameters / 1e6:.2f} M parameters", f"{cost.macs / 1e9:.2f} GMAC a clip"
        if name == "MADV-Net":
            parameters += _goal(cost.parameters < MOST_PARAMETERS, "under 12 M")
            macs += _goal(cost.macs < MOST_MACS, "under 5 G")
        print(f"{name}: {parameters}, {macs}")


def _goal(met: bool, goal: str) -> str:
    return f" (goal: {goal}{'' if met else ', MISSED'})"


def main() -> None:
    """On the CPU, and on a GPU where there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.model", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2, help="on the CPU; eight times as many on a GPU")
    options = parser.parse_args()
    bench_size()
    bench(torch.device("cpu"), options.batch, options.runs)
    if torch.cuda.is_available():
        bench(torch.device("cuda"), 8 * options.batch, options.runs)
    else:
        print("no GPU here: not timed on one")


if __name__ == "__main__":
    main()
