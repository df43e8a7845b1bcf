"""VideoMAE (Tong et al., NeurIPS 2022), as transformers implements it."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn

from madv.methods.masked import BLOCKS, TubeletReconstruction
from madv.methods.transformer import head_count
from madv.methods.weights import find, wrong
from madv.model.grids import Grid, boxes_grid

NEW = ("classifier.", "fc_norm.")
"""What weights need not have: the classifier is always a new one."""


class VideoMAE(nn.Module):
    """ViT-B on tubelets of 2 x 16 x 16, joint attention, mean over tokens."""

    encoder_parts = ("network.videomae.",)
    """What a pre-training hands over."""

    def __init__(
        self,
        channels: int,
        shape: tuple[int, int, int],
        num_classes: int,
        width: int = 768,
        blocks: int = 12,
        tubelet: Grid = (2, 16, 16),
        weights: str | None = None,
    ) -> None:
        """Args:
        shape: (T, H, W) of a clip, whole numbers of tubelets.
        tubelet: frames, height and width that become one token.
        weights: a folder or a model's name on the hub; width, blocks and tubelet are then theirs.

        Raises:
            ConfigError: the weights are not there, or are none of VideoMAE's.
        """
        from transformers import VideoMAEConfig, VideoMAEForVideoClassification

        super().__init__()
        # Positions are computed, so that weights fit clips of any size. Those from pre-training know no pooling.
        clips: dict[str, Any] = {"image_size": shape[1:], "num_frames": shape[0], "use_mean_pooling": True}
        self.network: Any
        if weights is not None:
            self.network = _loaded(weights, num_classes, clips)
            return
        config = VideoMAEConfig(
            **clips,
            patch_size=tubelet[1],
            num_channels=channels,
            tubelet_size=tubelet[0],
            hidden_size=width,
            num_hidden_layers=blocks,
            num_attention_heads=head_count(width),
            intermediate_size=4 * width,
        )
        config.num_labels = num_classes
        self.network = VideoMAEForVideoClassification(config)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        logits: torch.Tensor = self.network(pixel_values=clip.transpose(1, 2)).logits
        return logits

    def visible(self, clip: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Clip (B, C, T, H, W), hidden (B, L), as many in each clip -> the tokens in sight (B, V, D) in their order."""
        found = self.network.videomae(pixel_values=clip.transpose(1, 2), bool_masked_pos=hidden)
        tokens: torch.Tensor = found.last_hidden_state
        return tokens

    def reconstruction(self, decoder_blocks: int | None) -> TubeletReconstruction:
        """What masked modelling needs beside this network."""
        config = self.network.config
        box = (config.tubelet_size, config.patch_size, config.patch_size)
        grid = boxes_grid((config.num_frames, *config.image_size), box)
        width = config.hidden_size
        return TubeletReconstruction(
            config.num_channels,
            grid,
            box,
            width,
            width // 2,
            decoder_blocks or BLOCKS,
            windows=1,
            motion=False,
        )


def _loaded(weights: str, num_classes: int, clips: dict[str, Any]) -> nn.Module:
    from safetensors import SafetensorError
    from transformers import VideoMAEForVideoClassification

    logging.getLogger("transformers").setLevel(logging.ERROR)  # what is new or amiss is said below
    folder = find(weights).folder
    try:
        loaded: Any = VideoMAEForVideoClassification.from_pretrained(
            folder,
            **clips,
            num_labels=num_classes,
            ignore_mismatched_sizes=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise wrong(f"{weights!r} cannot be loaded: {str(error).strip().splitlines()[0]}") from None
    network: nn.Module
    network, report = loaded
    others = [*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])]
    lacking = [name for name in others if not name.startswith(NEW)]
    if lacking:
        raise wrong(f"{weights!r} has {len(lacking)} of the encoder's weights missing or in another size")
    return network
