"""3D-video-to-tokens: the grid that is announced, boxes that do not overlap, what can be switched off."""

import pytest
import torch

from madv.compose import compose
from madv.config_model import TokenizerConfig
from madv.model.grids import tokens_grid
from madv.model.tokens import Tubelets, VideoToTokens, make_tokenizer


@pytest.mark.parametrize("kind", ["convolution", "tubelet"])
@pytest.mark.parametrize("preset", ["madv_tiny", "madv_base", "madv_flow"])
def test_the_tokenizer_makes_the_grid_it_announces(preset: str, kind: str) -> None:
    config = compose([f"model={preset}", f"model.tokenizer.kind={kind}"]).model.tokenizer
    shape = (1, 28, 28) if preset == "madv_flow" else (9, 32, 40)
    tokens = make_tokenizer(3, 4, config)(torch.zeros(2, 3, *shape))
    assert tuple(tokens.shape) == (2, 4, *tokens_grid(shape, config))


def test_the_grids_of_the_paper_setting() -> None:
    for kind in ("convolution", "tubelet"):
        config = compose(["model=madv_base", f"model.tokenizer.kind={kind}"]).model.tokenizer
        assert tokens_grid((16, 112, 112), config) == (8, 14, 14)


def test_a_tubelet_is_one_linear_map_of_its_box() -> None:
    config = TokenizerConfig(kind="tubelet", stride=(2, 1, 2), pool_stride=(1, 3, 1))
    tubelets = make_tokenizer(2, 5, config)
    assert isinstance(tubelets, Tubelets)
    clip = torch.randn(1, 2, 5, 7, 4, generator=torch.Generator().manual_seed(0))
    tokens = tubelets(clip)
    assert tokens.shape == (1, 5, 2, 2, 2)
    box = clip[0, :, 2:4, 3:6, 0:2].flatten()  # second along time and height, first along width
    assert torch.allclose(tokens[0, :, 1, 1, 0], tubelets.linear(box), atol=1e-6)


def test_relu_and_pooling_are_switches() -> None:
    clip = torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with_both, without = TokenizerConfig(), TokenizerConfig(relu=False, pool=(1, 1, 1), pool_stride=(1, 1, 1))
    assert VideoToTokens(3, 4, with_both)(clip).min() >= 0
    tokens = VideoToTokens(3, 4, without)
    assert torch.allclose(tokens(clip), tokens.norm(tokens.convolution(clip)), atol=1e-5)
    assert tokens(clip).min() < 0
    assert tuple(tokens(clip).shape[2:]) == tokens_grid((4, 16, 16), without) == (2, 4, 4)
