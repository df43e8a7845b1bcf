"""Which settings of MADV-Net nothing reads, the others being as they are: they must not tell two runs apart."""

from __future__ import annotations

from typing import Any

from madv.config_model import LEVELS

WEIGHTS = ("alpha", "beta", "gamma")


def forget_unread(model: dict[str, Any], loss: dict[str, Any]) -> None:
    """Take out of the two sections, as plain dictionaries, in place, what no part of the network or its loss reads."""
    streams = model["streams"]
    # Injected into texture's, depth has no stream of its own.
    visual = [
        name
        for name in ("texture", "depth")
        if streams[name] and (name == "texture" or model["depth_injection"] == "stream")
    ]
    for name in ("texture", "depth"):
        if name not in visual:
            del model["attention"][name], model["difference"][name]
    if not visual:
        for name in ("projection", "dropping", "difference", "frequency", "depth_injection", "readout"):
            del model[name]
        _keep(model["tokenizer"], "stride", "pool_stride")  # which shorten the time of action units too
    else:
        _visual(model, visual)
    if not streams["au"]:
        del model["au"], model["attention"]["au"], loss["w_au"], loss["beta_ib"]
    elif loss["w_au"] == 0:
        del model["au"]["decoder"], model["au"]["without_units"], loss["beta_ib"]
    levels: int = model["levels"]
    for name in ("widths", "blocks", "heads"):
        model[name] = model[name][:levels]
    if model["attention"]["double"] or not any(model["blocks"]):
        del model["mlp_ratio"]
    if levels == 1:
        model.pop("frequency", None)
        del model["fusion"]
    if loss["w_freq"] == 0:
        levels = 0
    for name in WEIGHTS[levels : len(LEVELS)]:
        del loss[name]
    if loss["focal_mu"] == 0:
        del loss["balance"]


def _visual(model: dict[str, Any], visual: list[str]) -> None:
    if model["tokenizer"]["kind"] == "tubelet":
        _keep(model["tokenizer"], "kind", "stride", "pool_stride")
    if model["projection"]["kind"] == "linear":
        _keep(model["projection"], "kind")
    elif all(model["attention"][name] == "factorised_encoder" for name in visual):
        del model["projection"]["volume"]  # a frame is a sequence of its own there
    if model["dropping"]["keep"] == 1 or max(model["blocks"][: model["levels"]]) <= model["dropping"]["after"]:
        model["dropping"] = {"keep": 1.0}
    if all(model["difference"][name] == "off" for name in visual):
        del model["difference"]["factor"]


def _keep(section: dict[str, Any], *names: str) -> None:
    for name in set(section).difference(names):
        del section[name]
