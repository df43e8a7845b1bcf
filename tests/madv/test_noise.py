"""Random numbers by key and place: the same wherever they are drawn, and random enough."""

from __future__ import annotations

import torch

from madv.noise import Dropout, Noise, seed_noise

LARGE = torch.empty(1000, 1000)


def noise(key: str = "0/s1", place: str = "stream") -> Noise:
    made = Noise()
    made.seed(key, place)
    return made


def test_numbers_come_from_key_place_and_call() -> None:
    one, again = noise(), noise()
    first, second = one.uniform(LARGE), one.uniform(LARGE)
    assert torch.equal(first, again.uniform(LARGE))
    assert torch.equal(second, again.uniform(LARGE))
    for other in (second, noise("1/s1").uniform(LARGE), noise(place="other").uniform(LARGE), first.roll(1, 1)):
        correlation = torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1]
        assert abs(correlation) < 0.004, "four standard errors of a million pairs"


def test_uniform_and_normal_have_their_moments() -> None:
    # Standard errors at a million draws: .0003, .0001; .001, .0014; .0049. Five of them are allowed.
    uniform, normal = noise().uniform(LARGE), noise().normal(LARGE)
    assert 0 < uniform.min() < 1e-5
    assert 1 - 1e-5 < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.0015
    assert abs(uniform.var() - 1 / 12) < 0.0005
    assert abs(normal.mean()) < 0.005
    assert abs(normal.var() - 1) < 0.007
    assert abs((normal**4).mean() - 3) < 0.05


def test_every_bit_is_set_half_of_the_time() -> None:
    bits = noise().bits(LARGE)
    for place in range(31):
        assert abs((bits >> place & 1).float().mean() - 0.5) < 0.0025, place


def test_dropout_keeps_the_mean_and_is_off_at_prediction() -> None:
    drop = Dropout(0.25)
    drop.seed("0/s1", "head")
    dropped = drop(torch.ones_like(LARGE))
    assert dropped.unique().tolist() == [0, torch.tensor(1 / 0.75).item()]
    assert abs(dropped.mean() - 1) < 0.003
    drop.eval()
    assert torch.equal(drop(LARGE), LARGE)


def test_many_in_one_program_draw_what_each_draws_alone() -> None:
    drop = Dropout(0.5)
    x = torch.ones(3, 5, 4)
    counters = torch.tensor([7, 8, 1000], dtype=torch.int32)
    stacked = counters.clone()

    def call(counter: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(drop, {"counter": counter}, (x,))
        return found

    together = torch.vmap(call)(stacked, x)
    assert stacked.tolist() == [8, 9, 1001], "each has drawn once"
    for place, counter in enumerate(counters):
        drop.counter.copy_(counter)
        assert torch.equal(together[place], drop(x[place]))


def test_places_of_a_network_have_seeds_of_their_own() -> None:
    network = torch.nn.Sequential(Dropout(0.5), Dropout(0.5))
    seed_noise(network, "0/s1")
    first, second = (int(module.counter) for module in network)  # type: ignore[arg-type]
    assert first != second
    seed_noise(network, "0/s2")
    assert int(network[0].counter) != first  # type: ignore[arg-type]
