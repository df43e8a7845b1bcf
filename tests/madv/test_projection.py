"""Queries, keys and values: the fast convolutions equal plain ones, and the class token by-passes them."""

from typing import Literal

import pytest
import torch
from torch import nn

from madv.config_model import ProjectionConfig
from madv.model.network import initialise
from madv.model.projection import ConvProjection, depthwise, make_projection

WIDTH, GRID, EXTRA = 6, (3, 5, 4), 2


def tokens(grid: tuple[int, int, int] = GRID) -> torch.Tensor:
    return torch.randn(2, EXTRA + grid[0] * grid[1] * grid[2], WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("size", "kernel"),
    [((5, 5), (3, 3)), ((2, 2), (3, 3)), ((1, 1), (5, 5)), ((2, 1), (5, 5)), ((4, 1, 2), (3, 3, 3)), ((6, 7), (5, 5))],
)
def test_depthwise_equals_one_convolution_a_channel(
    size: tuple[int, ...], kernel: tuple[int, ...], stride: int
) -> None:
    x, weight = torch.randn(2, 3, *size), torch.randn(3, 1, *kernel)
    convolve = torch.nn.functional.conv2d if len(size) == 2 else torch.nn.functional.conv3d
    expected = torch.cat([convolve(x[:, [c]], weight[[c]], padding="same") for c in range(3)], dim=1)
    assert torch.allclose(depthwise(x, weight, stride), expected[..., ::stride, ::stride], atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kv_stride", [1, 2])
@pytest.mark.parametrize("volume", [True, False])
@pytest.mark.parametrize("kernel", [3, 5])
def test_it_equals_plain_modules(
    kernel: Literal[3, 5], volume: bool, kv_stride: Literal[1, 2], masked: bool, training: bool
) -> None:
    config = ProjectionConfig(kernel=kernel, volume=volume, kv_stride=kv_stride)
    project = make_projection(WIDTH, config, GRID[0])
    assert isinstance(project, ConvProjection)
    initialise(project, "0/s1")
    project.train(training)
    x = tokens()
    mask = (torch.arange(60) % 3 > 0).expand(2, -1) if masked else None
    results = project(x, GRID, mask)

    patches = (x[:, EXTRA:] * (1 if mask is None else mask[..., None])).unflatten(1, GRID).permute(0, 4, 1, 2, 3)
    for index, result in enumerate(results):
        stride = kv_stride if index > 0 else 1
        time = kernel if volume else 1
        convolution = nn.Conv3d(
            WIDTH,
            WIDTH,
            (time, kernel, kernel),
            stride=(1, stride, stride),
            padding=(time // 2, kernel // 2, kernel // 2),
            groups=WIDTH,
            bias=False,
        )
        pointwise = nn.Linear(WIDTH, WIDTH, bias=False)
        rows = slice(index * WIDTH, (index + 1) * WIDTH)
        with torch.no_grad():
            convolution.weight.copy_(project.depthwise[rows].view_as(convolution.weight))
            pointwise.weight.copy_(project.pointwise[rows])
        norm = nn.BatchNorm3d(WIDTH).train(training)
        expected = pointwise(norm(convolution(patches)).permute(0, 2, 3, 4, 1).flatten(1, 3))
        assert torch.allclose(result[:, EXTRA:], expected, atol=1e-5)
        assert torch.allclose(result[:, :EXTRA], pointwise(x[:, :EXTRA]), atol=1e-6)


def test_a_grid_of_one_frame_has_no_kernel_along_time() -> None:
    project = make_projection(WIDTH, ProjectionConfig(volume=True), 1)
    assert isinstance(project, ConvProjection)
    assert project.depthwise.shape == (3 * WIDTH, 1, 3, 3)


def test_a_strided_key_goes_where_its_window_holds_no_kept_token() -> None:
    project = make_projection(WIDTH, ProjectionConfig(kv_stride=2), 1)
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 0, 1] = True  # seen by the windows centred on columns 0 and 2 of row 0
    assert project.kept_keys(mask.flatten(1), (1, 4, 4)).tolist() == [[True, True, False, False]]
    full = make_projection(WIDTH, ProjectionConfig(), 1)
    assert torch.equal(full.kept_keys(mask.flatten(1), (1, 4, 4)), mask.flatten(1))


def test_linear_projection_ignores_the_grid() -> None:
    project = make_projection(WIDTH, ProjectionConfig(kind="linear"), 3)
    x = tokens()
    q, k, v = project(x, GRID)
    assert torch.allclose(torch.cat([q, k, v], dim=-1), x @ next(project.parameters()).T, atol=1e-6)
