"""Attention kinds are what they say: each equals joint attention under an explicit mask."""

from typing import Literal, get_args

import pytest
import torch

from madv.config_model import AttentionConfig, AttentionKind, DroppingConfig, ModelConfig, ProjectionConfig
from madv.model.attention import (
    ATTENTION,
    Attended,
    FactorisedDotProductAttention,
    FactorisedSelfAttention,
    Heads,
    along_time,
    class_attention,
    everywhere,
    within_frame,
)
from madv.model.encoder import Encoder
from madv.model.network import initialise
from madv.model.projection import LINEAR

Grid = tuple[int, int, int]
ATTEND = {"everywhere": everywhere, "within_frame": within_frame, "along_time": along_time}


def model(projection: ProjectionConfig = LINEAR, *, blocks: int = 2, double: bool = False) -> ModelConfig:
    return ModelConfig(
        widths=(8, 8, 8),
        blocks=(blocks, blocks, blocks),
        heads=(2, 2, 2),
        mlp_ratio=1.0,
        dropout=0.0,
        projection=projection,
        attention=AttentionConfig(double=double),
        dropping=DroppingConfig(keep=1.0),
    )


def written_out(heads: Heads, allowed: torch.Tensor) -> torch.Tensor:
    """Joint attention under an explicit mask, (Q, K) or (B, 1, Q, K), without the fused kernel."""
    q, k, v = heads
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    result: torch.Tensor = torch.softmax(scores.masked_fill(~allowed, -torch.inf), dim=-1) @ v
    return result


def places(grid: Grid, kind: str) -> torch.Tensor:
    """The group of each patch: attention stays inside it."""
    index, positions = torch.arange(grid[0] * grid[1] * grid[2]), grid[1] * grid[2]
    return {"everywhere": index * 0, "within_frame": index // positions, "along_time": index % positions}[kind]


def may_look(grid: Grid, kind: str, extra: int = 1) -> torch.Tensor:
    """(E + L, E + L): inside the group, to and from the tokens before the patches."""
    group = places(grid, kind)
    allowed = torch.ones(extra + len(group), extra + len(group), dtype=torch.bool)
    allowed[extra:, extra:] = group[:, None] == group[None, :]
    return allowed


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("extra", [1, 2])
@pytest.mark.parametrize("kind", list(ATTEND))
@pytest.mark.parametrize("grid", [(3, 2, 2), (1, 2, 3), (4, 1, 5), (5, 6, 6)])
def test_attention_equals_joint_attention_under_its_mask(grid: Grid, kind: str, extra: int, masked: bool) -> None:
    length = extra + grid[0] * grid[1] * grid[2]
    q, k, v = random(3, 2, 2, length, 4)
    allowed, mask = may_look(grid, kind, extra), None
    if masked:
        mask = torch.rand(2, length, generator=torch.Generator().manual_seed(2)) < 0.5
        mask[:, :extra] = True
        allowed = allowed & mask[:, None, None]
    assert torch.allclose(ATTEND[kind]((q, k, v), grid, mask), written_out((q, k, v), allowed))


@pytest.mark.parametrize("kind", list(ATTEND))
@pytest.mark.parametrize("grid", [(2, 3, 3), (3, 5, 4)])
def test_strided_keys_stand_for_their_cells(grid: Grid, kind: str) -> None:
    frames, height, width = grid
    rows, columns = (height + 1) // 2, (width + 1) // 2
    q = random(2, 2, 1 + frames * height * width, 4)
    k, v = random(2, 2, 2, 1 + frames * rows * columns, 4, seed=3)
    t, y, x = torch.meshgrid(*(torch.arange(size) for size in grid), indexing="ij")
    cell = (y // 2 * columns + x // 2).flatten()  # of each query, within its frame
    key_frame, key_cell = (
        torch.arange(frames * rows * columns) // (rows * columns),
        torch.arange(frames * rows * columns) % (rows * columns),
    )
    allowed = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)
    if kind == "within_frame":
        allowed[1:, 1:] = t.flatten()[:, None] == key_frame
    elif kind == "along_time":
        allowed[1:, 1:] = cell[:, None] == key_cell
    patches = ATTEND[kind]((q, k, v), grid)[:, :, 1:]
    assert torch.allclose(patches, written_out((q, k, v), allowed)[:, :, 1:])


@pytest.mark.parametrize("grid", [(3, 2, 2), (5, 6, 6)])
def test_a_straight_through_mask_hides_and_passes_gradients(grid: Grid) -> None:
    length = 1 + grid[0] * grid[1] * grid[2]
    q, k, v = random(3, 2, 2, length, 4)
    kept = (torch.arange(length) % 5 < 3).expand(2, -1)
    for attend in ATTEND.values():
        mask = kept.to(torch.float64).requires_grad_()
        mixed = attend((q, k, v), grid, mask)
        assert torch.allclose(mixed, attend((q, k, v), grid, kept), atol=1e-3)
        mixed.square().sum().backward()
        assert mask.grad is not None
        assert (mask.grad[:, 1:] != 0).all()


def test_half_of_the_heads_look_along_time() -> None:
    grid, length = (3, 2, 2), 12
    q, k, v = torch.randn(3, 2, 4, 1 + length, 4, generator=torch.Generator().manual_seed(1))
    mixed = FactorisedDotProductAttention._halves((q, k, v), grid)
    assert torch.equal(mixed[:, :2], within_frame((q[:, :2], k[:, :2], v[:, :2]), grid))
    assert torch.equal(mixed[:, 2:], along_time((q[:, 2:], k[:, 2:], v[:, 2:]), grid))


@pytest.mark.parametrize("grid", [(3, 2, 2), (3, 4, 4)])
def test_factorised_self_attention_is_two_masked_attentions(grid: Grid) -> None:
    attention = FactorisedSelfAttention(8, 2, LINEAR, 0.0, grid).double()
    initialise(attention, "0/s1")
    assert attention.temporal is not None and attention.norm is not None
    x = random(2, 1 + grid[0] * grid[1] * grid[2], 8)
    first = attention.spatial(x, grid, None, lambda h, g, m: written_out(h, may_look(grid, "within_frame"))).change
    second = attention.temporal(
        attention.norm(x + first), grid, None, lambda h, g, m: written_out(h, may_look(grid, "along_time"))
    ).change
    assert torch.allclose(attention(x, grid).change, first + second)


def test_what_the_class_token_looks_at_is_finite_in_half_precision() -> None:
    large = torch.full((1, 1, 4, 32), 200.0).half()
    attended = Attended(torch.zeros(1, 4, 32).half(), large, large)
    assert class_attention(attended, (1, 1, 3)).tolist() == [[0.25] * 3]


def test_the_factorised_encoder_is_masked_joint_attention_then_frames_among_themselves() -> None:
    grid = frames, height, width = 3, 2, 3
    encoder = Encoder("factorised_encoder", 0, grid, model(), spatial=True).double()
    initialise(encoder, "0/s1")
    assert len(encoder.frame_blocks) == 1 and encoder.frame_token is not None
    x = random(2, 18, 8)
    x_at, cls = x + encoder.position_token[:, 1:], encoder.cls_token + encoder.position_token[:, :1]
    starts = encoder.frame_token[:, :, None].expand(2, -1, -1, -1)
    y = torch.cat([starts, x_at.unflatten(1, (frames, -1))], dim=2).flatten(1, 2)  # (B, T (1 + n), D)
    frame = torch.arange(y.shape[1]) // (1 + height * width)
    for block in encoder.blocks:
        # Every token is a patch to the projection, which is linear.
        y = (
            y
            + block.attention.attention(
                block.norm_attention(y),
                (1, 1, y.shape[1]),
                None,
                lambda h, g, m: written_out(h, frame[:, None] == frame),
            ).change
        )
        y = y + block.mlp(block.norm_mlp(y))
    y = y.unflatten(1, (frames, -1))
    z = torch.cat([cls.expand(2, -1, -1), y[:, :, 0]], dim=1)
    for block in encoder.frame_blocks:
        z = z + block.attention(block.norm_attention(z), (frames, 1, 1)).change
        z = z + block.mlp(block.norm_mlp(z))
    patches = y[:, :, 1:] + (z[:, 1:] - y[:, :, 0])[:, :, None]
    encoded = encoder(x)
    assert torch.allclose(encoded.cls, encoder.norm(z[:, 0]))
    assert torch.allclose(encoded.patches, encoder.norm(patches.flatten(1, 2)))


def test_one_frame_makes_all_within_frame_kinds_joint() -> None:
    x, results = random(2, 6, 8), []
    for kind in get_args(AttentionKind):
        encoder = Encoder(kind, 0, (1, 2, 3), model(), spatial=True).double()
        initialise(encoder, "0/s1")
        # Weights are drawn by name: these are the same ones under other names.
        reference = Encoder("joint", 0, (1, 2, 3), model(), spatial=True).double()
        reference.load_state_dict(
            {name.replace("attention.spatial", "attention.attention"): p for name, p in encoder.state_dict().items()}
        )
        results.append(torch.allclose(encoder(x).patches, reference(x).patches))
    assert results == [True] * 4


@pytest.mark.parametrize("kv_stride", [1, 2])
def test_class_attention_is_the_first_row_of_the_attention_map(kv_stride: Literal[1, 2]) -> None:
    grid = (2, 4, 4)
    attention = ATTENTION["joint"](8, 2, ProjectionConfig(kv_stride=kv_stride), 0.0, grid).double()
    initialise(attention, "0/s1")
    x = random(3, 33, 8)
    attended: Attended = attention(x, grid)
    scores = class_attention(attended, grid)
    weights = torch.softmax(attended.queries[:, :, :1] @ attended.keys.transpose(2, 3) / 2, dim=-1)[:, :, 0].mean(
        1
    )  # d = 4
    assert weights.shape == (3, 1 + 32 // kv_stride**2)
    first, last = scores[:, 0], scores[:, -1]
    assert torch.allclose(first, weights[:, 1]) and torch.allclose(last, weights[:, -1])
    if kv_stride == 1:
        assert torch.allclose(scores, weights[:, 1:])
    else:
        assert torch.equal(scores[:, 0], scores[:, 5])  # row 1, column 1 is in the same cell


PROJECTIONS = {
    "linear": LINEAR,
    "kernel 3": ProjectionConfig(),
    "kernel 5": ProjectionConfig(kernel=5),
    "volume": ProjectionConfig(volume=True),
    "stride": ProjectionConfig(kv_stride=2),
    "strided volume": ProjectionConfig(volume=True, kv_stride=2),
}


@pytest.mark.parametrize(("projection", "double"), [*((name, False) for name in PROJECTIONS), ("kernel 3", True)])
@pytest.mark.parametrize("kind", get_args(AttentionKind))
def test_gradients_reach_every_parameter(kind: AttentionKind, projection: str, double: bool) -> None:
    config = model(PROJECTIONS[projection], double=double)
    for grid in ((3, 4, 5), (4, 1, 1), (1, 3, 3)):
        encoder = Encoder(kind, 1, grid, config, spatial=True)
        initialise(encoder, "0/s1")
        encoded = encoder(random(4, grid[0] * grid[1] * grid[2], 8).float())
        (encoded.cls * random(4, 8, seed=2)).sum().add((encoded.patches[..., 0] ** 3).sum()).backward()
        assert encoded.auxiliary is None
        silent = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert silent == []


def test_a_double_block_has_a_second_attention_and_no_mlp() -> None:
    block = Encoder("joint", 0, (2, 2, 2), model(double=True), spatial=True).blocks[0]
    initialise(block, "0/s1")
    x, grid = random(2, 9, 8).float(), (2, 2, 2)
    once = x + block.attention(block.norm_attention(x), grid).change
    assert torch.allclose(block(x, grid)[0], once + block.again(block.norm_mlp(once), grid).change)
    assert block.mlp is None


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("kind", list(ATTENTION))
def test_nobody_reads_a_token_that_is_masked(kind: str, projection: str) -> None:
    grid, kept = (3, 4, 4), (torch.arange(16) % 3 > 0).repeat(3)
    attention = ATTENTION[kind](8, 2, PROJECTIONS[projection], 0.0, grid).double().eval()
    initialise(attention, "0/s1")
    x, mask = random(2, 49, 8), kept.expand(2, -1)
    other = x.clone()
    other[:, 1:][:, ~kept] = 7.0
    first, second = attention(x, grid, mask).change, attention(other, grid, mask).change
    left = torch.cat([torch.tensor([True]), kept])
    assert torch.allclose(first[:, left], second[:, left])
    assert not torch.allclose(attention(x, grid).change[:, left], first[:, left])
