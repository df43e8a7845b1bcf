"""Which settings of MADV-Net nothing reads, the others being as they are: they must not tell two runs apart."""

from __future__ import annotations

from typing import Any

from madv.config_model import LEVELS

WEIGHTS = ("alpha", "beta", "gamma")


def forget_unread(model: dict[str, Any], loss: dict[str, Any], *, masked: bool, labelled: bool) -> None:
    """Take out of the two sections, in place, what neither the network nor its loss nor its pre-training reads.

    Args:
        model: ModelConfig as a plain dictionary.
        loss: LossConfig likewise.
        masked: whether masked modelling comes first, whose decoders are blocks with an MLP.
        labelled: whether supervised pre-training comes first, which has the default loss.
    """
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
        if model["fusion"] == "top_down":
            model["fusion"] = "concatenated"  # levels of action units have no grids to be added
        if model["au"]["time"] == "kept":
            del model["tokenizer"]
        else:
            _keep(model["tokenizer"], "stride", "pool_stride")
    else:
        _visual(model, visual)
    if not streams["au"]:
        del model["au"], model["attention"]["au"], loss["w_au"], loss["beta_ib"]
    elif loss["w_au"] == 0:
        del loss["beta_ib"]
        if not labelled:
            del model["au"]["decoder"], model["au"]["without_units"]
    levels: int = model["levels"]
    for name in ("widths", "blocks", "heads"):
        model[name] = model[name][:levels]
    if not masked and (model["attention"]["double"] or not any(model["blocks"])):
        del model["mlp_ratio"]
    if levels == 1:
        model.pop("frequency", None)
        del model["fusion"]
    if loss["w_freq"] == 0 or not any(loss[name] for name in WEIGHTS[:levels]):
        loss["w_freq"], levels = 0.0, 0
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
    elif model["dropping"]["how"] == "auto":
        # A convolution needs the whole grid, and each clip halts its own number of tokens.
        removed = model["projection"]["kind"] == "linear" and model["dropping"]["by"] != "halting"
        model["dropping"]["how"] = "remove" if removed else "mask"
    if all(model["difference"][name] == "off" for name in visual):
        del model["difference"]["factor"]


def _keep(section: dict[str, Any], *names: str) -> None:
    for name in set(section).difference(names):
        del section[name]
