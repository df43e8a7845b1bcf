"""Loss terms that belong to one method."""

from __future__ import annotations

import torch

EPSILON = 1e-6


def clustering_loss(features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """EC-STFL's term: attraction within a class times repulsion between classes, by L1 distances, in fp32.

    With D_ij = |f_i - f_j|_1: A_i = sum over the own class of D_ij / (n_same + eps), R_i = sum over other classes of
    1 / (D_ij + eps) / (n_diff + 1 + eps), and the term is the mean of A_i R_i over the batch, divided by its size B.

    Args:
        features: (B, D).
        target: (B,) class indices.
    """
    f = features.float()
    distance = torch.cdist(f, f, p=1)
    same = target[:, None] == target[None, :]
    attraction = (distance * same).sum(1) / (same.sum(1) + EPSILON)
    repulsion = (~same / (distance + EPSILON)).sum(1) / ((~same).sum(1) + 1 + EPSILON)
    return (attraction * repulsion).mean() / len(f)


def compact_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """STT's compact term: how far the classes that are not the target are from equal (Kobayashi, BMVC 2019).

    1/2 sum over c != y of (q_c - 1 / (K - 1)) log q_c, with q the softmax over the other classes; mean over the batch.

    Args:
        logits: (B, K).
        target: (B,) class indices.
    """
    classes = logits.shape[1]
    own = torch.nn.functional.one_hot(target, classes).bool()
    others = logits.float()[~own].view(len(logits), classes - 1)
    log_q = torch.log_softmax(others, dim=-1)
    return 0.5 * ((log_q.exp() - 1 / (classes - 1)) * log_q).sum(1).mean()
