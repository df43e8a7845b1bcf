"""The joint loss against numbers worked by hand."""

import math

import pytest
import torch

from madv.config import LossConfig
from madv.losses import class_weights, focal_loss, joint_loss
from madv.model.network import Outputs

EVEN = torch.zeros(1, 2)  # p = (.5, .5)


def test_class_weights_are_inverse_frequency_with_mean_one() -> None:
    # 1/1 : 1/2 : 1/4 = 4 : 2 : 1, mean 7/3
    assert class_weights(torch.tensor([1, 2, 4]), 1.0).tolist() == pytest.approx([12 / 7, 6 / 7, 3 / 7])


def test_class_weights_without_balance_are_one() -> None:
    assert class_weights(torch.tensor([1, 2, 4]), 0.0).tolist() == [1, 1, 1]


def test_a_class_without_clips_weighs_nothing_and_changes_no_other() -> None:
    assert class_weights(torch.tensor([2, 0, 2]), 1.0).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("lam", "expected"), [(0.0, math.log(2)), (1.0, math.log(2) / 2), (2.0, math.log(2) / 4)])
def test_focal_loss_of_an_even_guess(lam: float, expected: float) -> None:
    assert focal_loss(EVEN, torch.tensor([0]), torch.ones(2), lam).item() == pytest.approx(expected)


def test_focal_loss_weighs_by_the_true_class() -> None:
    logits = torch.zeros(2, 2)
    loss = focal_loss(logits, torch.tensor([0, 1]), torch.tensor([3.0, 1.0]), 0.0)
    assert loss.item() == pytest.approx(2 * math.log(2))  # mean of 3 ln 2 and ln 2


@pytest.mark.parametrize("lam", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("size", [1e4, 6e4])
def test_focal_loss_and_its_gradient_are_finite_for_half_precision_logits(lam: float, size: float) -> None:
    logits = torch.tensor([[size, -size, 0.0], [-size, size, 0.0]], dtype=torch.float16, requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 0]), torch.ones(3), lam)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def outputs(**changes: object) -> Outputs:
    values: dict[str, object] = {
        "logits": EVEN,
        "levels": {"low": EVEN, "mid": EVEN, "high": EVEN},
        "au_logits": torch.zeros(1, 4),
        "compression": torch.tensor(8.0),
        "reconstruction": torch.tensor(0.5),
    }
    return Outputs(**{**values, **changes})  # type: ignore[arg-type]


def test_joint_loss_adds_its_terms_with_their_weights() -> None:
    config = LossConfig(focal_lambda=0, w_freq=0.5, alpha=0.2, beta=0.3, gamma=0.5, w_au=2.0, beta_ib=0.25, focal_mu=0)
    # Level heads that give the true class 1/2, 1/4 and 1/8.
    levels = {name: torch.tensor([[math.log(odds), 0.0]]) for name, odds in (("low", 1), ("mid", 3), ("high", 7))}
    total, terms = joint_loss(outputs(levels=levels), torch.tensor([1]), torch.ones(1, 4), torch.ones(2), config)
    ln2 = math.log(2)
    assert terms["au"].item() == pytest.approx(0.25 * 8 + 0.5 + ln2)
    assert total.item() == pytest.approx(ln2 + 0.5 * (0.2 * 1 + 0.3 * 2 + 0.5 * 3) * ln2 + 2.0 * (2.5 + ln2))


def test_without_annotated_action_units_only_the_bottleneck_is_left() -> None:
    config = LossConfig(beta_ib=0.25)
    _, terms = joint_loss(outputs(), torch.tensor([1]), None, torch.ones(2), config)
    assert terms["au"].item() == pytest.approx(2.5)


def test_terms_that_are_off_are_absent() -> None:
    bare = outputs(levels={}, au_logits=None, compression=None, reconstruction=None)
    _, terms = joint_loss(bare, torch.tensor([1]), None, torch.ones(2), LossConfig())
    assert list(terms) == ["focal"]
