"""VideoMAE (Tong et al., NeurIPS 2022), as transformers implements it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from madv.errors import ConfigError, Problem


class VideoMAE(nn.Module):
    """ViT-B on tubelets of 2 x 16 x 16, joint attention, mean over tokens."""

    def __init__(
        self,
        channels: int,
        shape: tuple[int, int, int],
        num_classes: int,
        width: int = 768,
        blocks: int = 12,
        heads: int = 12,
        patch: int = 16,
        tubelet: int = 2,
        weights: str | None = None,
    ) -> None:
        """Args:
        shape: (T, H, W) of a clip.
        weights: a local folder or a model's name on the hub; the classifier is always a new one.

        Raises:
            ConfigError: the weights are not there, or belong to another size.
        """
        from transformers import VideoMAEConfig, VideoMAEForVideoClassification

        super().__init__()
        if weights is not None:
            self.network = _load(weights, num_classes)
            return
        config = VideoMAEConfig(
            image_size=(shape[1], shape[2]),
            patch_size=patch,
            num_channels=channels,
            num_frames=shape[0],
            tubelet_size=tubelet,
            hidden_size=width,
            num_hidden_layers=blocks,
            num_attention_heads=heads,
            intermediate_size=4 * width,
        )
        config.num_labels = num_classes
        self.network = VideoMAEForVideoClassification(config)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        logits: torch.Tensor = self.network(pixel_values=clip.transpose(1, 2)).logits
        return logits


def _load(weights: str, num_classes: int) -> nn.Module:
    from transformers import VideoMAEForVideoClassification

    try:
        network: nn.Module = VideoMAEForVideoClassification.from_pretrained(
            weights, num_labels=num_classes, ignore_mismatched_sizes=True, local_files_only=Path(weights).is_dir()
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        message = (
            f"{weights!r} holds no VideoMAE weights that can be loaded ({first}); name a folder with config.json and "
            "model.safetensors, or leave it out"
        )
        raise ConfigError([Problem(place="method.weights", message=message)]) from None
    return network
