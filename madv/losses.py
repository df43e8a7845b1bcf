"""The joint loss (Eq. 18 to 23 and 8, 11, 12), term by term, in fp32.

Logits of half precision overflow to infinity. Every loss reads a logit beyond +-65504, the ends of half precision, as
that end, where it has no gradient: the loss and all gradients stay finite, and two infinities of one sign are a tie.
What is not a number stays so, for training to report.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch.nn import functional

from madv.config import LossConfig
from madv.config_model import LEVELS
from madv.model.network import Outputs

LARGEST_LOGIT = 65504.0
OVERLAP = 0.999
"""Beta of Cui et al.: the chance that a new clip adds nothing grows with those already there."""


def class_weights(
    counts: torch.Tensor, mu: float, balance: Literal["frequency", "effective_number"] = "frequency"
) -> torch.Tensor:
    """The balance factor mu of Eq. 19: n_c ** -mu over the classes that occur, scaled to mean 1.

    Args:
        counts: (C,) clips of each class in the training fold.
        mu: 0 is no balance, 1 inverse frequency.
        balance: what n_c is: the count, or the effective number (1 - .999 ** count) / (1 - .999).

    Returns:
        (C,) weights; 0 for a class without clips, which no training clip can ask for.
    """
    present = counts > 0
    number = counts.clamp(min=1).double()
    if balance == "effective_number":
        number = -torch.expm1(number * math.log(OVERLAP)) / (1 - OVERLAP)
    weights = torch.where(present, number**-mu, 0.0)
    return (weights / weights[present].mean()).float()


def focal_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weights: torch.Tensor,
    lam: float,
    share: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean of -mu_y (1 - p_y) ** lambda log p_y (Eq. 19), in fp32.

    Args:
        logits: (B, C).
        target: (B,) class indices.
        weights: (C,) the balance factor.
        lam: the focusing exponent; 0 is weighted cross-entropy.
        share: (B,) of each clip in the mean, with sum 1; None: equal.
    """
    log_p = functional.log_softmax(_finite(logits), dim=-1).gather(1, target[:, None])[:, 0]
    # 1 - p as -expm1(log p): exact for p near 1, where 1 - exp(log p) cancels. Its floor keeps the gradient of
    # x ** lambda finite at p = 1 for lambda < 1.
    remaining = (-torch.expm1(log_p)).clamp(min=1e-12)
    return -_mean(weights[target] * remaining**lam * log_p, share)


def joint_loss(
    outputs: Outputs,
    target: torch.Tensor,
    au_target: torch.Tensor | None,
    weights: torch.Tensor,
    config: LossConfig,
    share: torch.Tensor | None = None,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """L = L_focal + w_freq (alpha L_low + beta L_mid + gamma L_high) + w_au L_AU (Eq. 18) + L_dropping.

    Args:
        outputs: of MADVNet for B clips.
        target: (B,) class indices.
        au_target: (B, n_au) annotated action units; None where a data set has none: Eq. 11 is then about the emotion,
            each class against the rest, or left out (model.au.without_units).
        weights: (C,) from class_weights.
        config: the weights of the terms.
        share: (B,) of each clip in every mean, with sum 1; None: equal.

    Returns:
        The loss, and its terms before weighting, by name: focal, low, mid, high, au, dropping. A term that is off
        is absent.
    """
    terms = {"focal": focal_loss(outputs.logits, target, weights, config.focal_lambda, share)}
    for name, logits in outputs.levels.items():
        terms[name] = _mean(functional.cross_entropy(_finite(logits), target, reduction="none"), share)
    if config.w_au > 0 and outputs.compression is not None and outputs.reconstruction is not None:
        au = config.beta_ib * outputs.compression.float() + outputs.reconstruction.float()
        if outputs.au_logits is not None:
            aim = functional.one_hot(target, outputs.logits.shape[1]).float() if au_target is None else au_target
            missed = functional.binary_cross_entropy_with_logits(_finite(outputs.au_logits), aim, reduction="none")
            au = au + missed.mean(1)
        terms["au"] = _mean(au, share)
    if outputs.auxiliary is not None:
        terms["dropping"] = outputs.auxiliary.float()
    scale = {"focal": 1.0, "au": config.w_au, "dropping": 1.0}
    for name, weight in zip(LEVELS, (config.alpha, config.beta, config.gamma), strict=True):
        scale[name] = config.w_freq * weight
    total = torch.stack([scale[name] * term for name, term in terms.items()]).sum()
    return total, terms


def _mean(x: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
    """(B,) -> (), over clips."""
    return x.mean() if share is None else (x * share).sum()


def _finite(logits: torch.Tensor) -> torch.Tensor:
    """In fp32, within the range of half precision."""
    return logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
