"""What the tests of pre-training share: a small network, and whether two encoders are the same."""

import torch

from madv.compose import compose
from madv.config import Config
from madv.model.network import MADVNet, initialise

TINY = [
    "model=madv_tiny",
    "model.widths=[8,8,8]",
    "model.heads=[2,2,2]",
    "model.blocks=[1,2,1]",
    "pretrain.batch_size=12",
    "pretrain.mask_ratio=0.5",
    "pretrain.decoder_blocks=1",
]
SHAPES = {"texture": (3, 4, 32, 32), "depth": (1, 4, 32, 32), "au": (3, 4)}
SOURCE = "pretrain.dataset=smic_like"


def config(*overrides: str) -> Config:
    return compose([*TINY, *overrides])


def network(*overrides: str, key: str = "0/s1") -> MADVNet:
    settings = config(*overrides)
    net = MADVNet(settings.model, settings.loss, SHAPES, 2)
    initialise(net, key)
    return net


def method(name: str, *overrides: str) -> Config:
    sizes = ("method.width=16", "method.blocks=2", "method.patch=8")
    return config(f"method={name}", *sizes, "pretrain.masked_epochs=2", *overrides)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
