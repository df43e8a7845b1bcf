"""The joint loss against numbers worked by hand."""

import itertools
import math

import numpy as np
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


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_loss_equals_its_formula_in_float64(lam: float) -> None:
    rng = np.random.default_rng(0)
    logits, target, weights = 8 * rng.normal(size=(200, 5)), rng.integers(0, 5, 200), rng.uniform(0.1, 3, 5)
    logits = logits.astype(np.float32).astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p_true = p[np.arange(200), target]
    expected = np.mean(-weights[target] * (1 - p_true) ** lam * np.log(p_true))
    loss = focal_loss(
        torch.from_numpy(logits).float(), torch.from_numpy(target), torch.from_numpy(weights).float(), lam
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_effective_numbers_by_hand() -> None:
    # (1 - .999^n) / .001 of 1 and 2 clips: 1 and 1.999; weights 1.999 : 1, mean 2.999 / 2
    weights = class_weights(torch.tensor([1, 2]), 1.0, "effective_number")
    assert weights.tolist() == pytest.approx([2 * 1.999 / 2.999, 2 / 2.999])


def test_effective_numbers_equal_their_formula_in_float64() -> None:
    counts, mu = np.array([3, 40, 500, 10_000]), 0.7
    weights = ((1 - 0.999**counts) / (1 - 0.999)) ** -mu
    found = class_weights(torch.from_numpy(counts), mu, "effective_number")
    assert found.tolist() == pytest.approx((weights / weights.mean()).tolist(), rel=1e-6)


EXTREMES = (-math.inf, -65504.0, -1.0, 0.0, 65504.0, math.inf)


def extreme_logits() -> torch.Tensor:
    """(216, 3): every triple of extremes, half precision."""
    return torch.tensor(list(itertools.product(EXTREMES, repeat=3)), dtype=torch.float16, requires_grad=True)


@pytest.mark.parametrize("lam", [0.0, 0.5, 2.0])
def test_focal_loss_and_its_gradient_are_finite_for_all_half_precision_logits(lam: float) -> None:
    logits = extreme_logits()
    for target in range(3):  # a mean is finite only if every clip's loss is
        loss = focal_loss(logits, torch.full((len(logits),), target), torch.ones(3), lam)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()


def test_joint_loss_and_its_gradients_are_finite_for_all_half_precision_logits() -> None:
    logits, low, units = extreme_logits(), extreme_logits(), extreme_logits()
    number = len(logits)
    for target, au_target in ((0, 0.0), (2, 1.0)):
        loss, _ = joint_loss(
            outputs(logits=logits, levels={"low": low}, au_logits=units),
            torch.full((number,), target),
            torch.full((number, 3), au_target),
            torch.ones(3),
            LossConfig(),
        )
        gradients = torch.autograd.grad(loss, (logits, low, units))
        assert loss.isfinite() and all(gradient.isfinite().all() for gradient in gradients)


def test_infinite_logits_are_the_ends_of_half_precision() -> None:
    certain, wrong = torch.tensor([[math.inf, 0.0]]).half(), torch.tensor([[-math.inf, 0.0]]).half()
    tie = torch.tensor([[math.inf, math.inf]]).half()
    first, even = torch.tensor([0]), torch.ones(2)
    assert focal_loss(certain, first, even, 2.0).item() == 0
    assert focal_loss(wrong, first, even, 2.0).item() == 65504
    assert focal_loss(tie, first, even, 0.0).item() == pytest.approx(math.log(2))


def test_a_logit_that_is_no_number_is_not_hidden() -> None:
    assert focal_loss(torch.tensor([[math.nan, 0.0]]), torch.tensor([0]), torch.ones(2), 2.0).isnan()


def outputs(**changes: object) -> Outputs:
    values: dict[str, object] = {
        "logits": EVEN,
        "levels": {"low": EVEN, "mid": EVEN, "high": EVEN},
        "au_logits": torch.zeros(1, 4),
        "compression": torch.tensor([8.0]),
        "reconstruction": torch.tensor([0.5]),
        "auxiliary": None,
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


def test_a_clip_counts_by_its_share() -> None:
    """Of three clips the last only fills up the batch: the loss of the first two, whatever the third."""
    generator = torch.Generator().manual_seed(0)
    logits, units, target = torch.randn(3, 2, generator=generator), torch.randn(3, 4, generator=generator), [0, 1, 1]

    def loss(rows: int, share: torch.Tensor | None) -> dict[str, torch.Tensor]:
        given = outputs(
            logits=logits[:rows],
            levels={"low": -logits[:rows]},
            au_logits=units[:rows],
            compression=torch.tensor([1.0, 3.0, 9.0])[:rows],
            reconstruction=torch.tensor([2.0, 4.0, 9.0])[:rows],
        )
        return joint_loss(given, torch.tensor(target[:rows]), torch.ones(rows, 4), torch.ones(2), LossConfig(), share)[
            1
        ]

    padded, whole = loss(3, torch.tensor([0.5, 0.5, 0.0])), loss(2, None)
    assert {name: term.item() for name, term in padded.items()} == pytest.approx(
        {name: term.item() for name, term in whole.items()}
    )


def test_without_annotated_action_units_each_class_is_told_from_the_rest() -> None:
    config, target = LossConfig(beta_ib=0.25), torch.tensor([1])
    units = torch.tensor([[math.log(1 / 3), math.log(3)]])  # probabilities 1/4 and 3/4 of two classes
    _, terms = joint_loss(outputs(au_logits=units), target, None, torch.ones(2), config)
    assert terms["au"].item() == pytest.approx(2.5 - math.log(3 / 4))
    _, terms = joint_loss(outputs(au_logits=None), target, None, torch.ones(2), config)
    assert terms["au"].item() == pytest.approx(2.5)


def test_terms_that_are_off_are_absent() -> None:
    bare = outputs(levels={}, au_logits=None, compression=None, reconstruction=None)
    _, terms = joint_loss(bare, torch.tensor([1]), None, torch.ones(2), LossConfig())
    assert list(terms) == ["focal"]


def test_the_loss_of_dropping_is_added_as_it_is() -> None:
    given = [torch.tensor([1]), torch.ones(1, 4), torch.ones(2), LossConfig(w_freq=0.5)]
    without, _ = joint_loss(outputs(), *given)  # type: ignore[arg-type]
    total, terms = joint_loss(outputs(auxiliary=torch.tensor(0.75)), *given)  # type: ignore[arg-type]
    assert terms["dropping"].item() == 0.75
    assert total.item() == pytest.approx(without.item() + 0.75)


def test_joint_loss_equals_its_formula_in_float64() -> None:
    rng = np.random.default_rng(1)
    config = LossConfig(w_freq=0.7, alpha=0.5, beta=0.3, gamma=0.2, w_au=0.4, beta_ib=0.01)
    fused, low, mid, high = (3 * rng.normal(size=(4, 50, 3))).astype(np.float32)
    units, annotated = (3 * rng.normal(size=(50, 6))).astype(np.float32), rng.integers(0, 2, (50, 6))
    target, weights = rng.integers(0, 3, 50), np.array([0.5, 1.0, 1.5])

    def log_p(logits: np.ndarray) -> np.ndarray:
        z = logits.astype(np.float64)
        return (z - np.log(np.exp(z).sum(1, keepdims=True)))[np.arange(50), target]  # type: ignore[no-any-return]

    focal = -(weights[target] * (1 - np.exp(log_p(fused))) ** 2 * log_p(fused)).mean()
    levels = sum(w * -log_p(logits).mean() for w, logits in ((0.5, low), (0.3, mid), (0.2, high)))
    p = 1 / (1 + np.exp(-units.astype(np.float64)))
    bce = -(annotated * np.log(p) + (1 - annotated) * np.log(1 - p)).mean()
    expected = focal + 0.7 * levels + 0.4 * (0.01 * 8 + 0.5 + bce)
    heads = {name: torch.from_numpy(logits) for name, logits in (("low", low), ("mid", mid), ("high", high))}
    total, _ = joint_loss(
        outputs(logits=torch.from_numpy(fused), levels=heads, au_logits=torch.from_numpy(units)),
        torch.from_numpy(target),
        torch.from_numpy(annotated).float(),
        torch.from_numpy(weights).float(),
        config,
    )
    assert total.item() == pytest.approx(expected, rel=1e-6)
