"""Methods that read a clip as snippets of a few frames: CEFLNet and EST."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from madv.methods.resnet import ResNet18, by_frame
from madv.methods.transformer import sinusoids

SNIPPETS = 7
"""Of a clip; neighbours overlap."""


def snippet_frames(frames: int) -> torch.Tensor:
    """(S, F) indices of the frames in each snippet, S = 7.

    The authors' 35 frames are seven times five; 16 frames make windows of 4 at stride 2; one frame is every snippet.
    """
    length = frames // SNIPPETS if frames % SNIPPETS == 0 else max(1, frames // 4)
    starts = [round(index * (frames - length) / (SNIPPETS - 1)) for index in range(SNIPPETS)]
    return torch.tensor([list(range(start, start + length)) for start in starts])


class FrameAttention(nn.Module):
    """LayerNorm(v + dropout(attention(v, v, v))) over the frames of a snippet."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.norm = nn.LayerNorm(width)

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        """(N, F, D) -> (N, F, D)."""
        mixed, _ = self.attention(v, v, v, need_weights=False)
        out: torch.Tensor = self.norm(v + self.dropout(mixed))
        return out


class SnippetVectors(nn.Module):
    """ResNet-18 on every frame, averaged over pixels; a frame that is in several snippets is seen once."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.trunk = ResNet18(width, channels=channels)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B S, F, D)."""
        vectors = by_frame(self.trunk, clip).mean(dim=(3, 4))  # (B, T, D)
        return vectors[:, snippet_frames(clip.shape[2]).to(clip.device)].flatten(0, 1)


def head(width: int, num_classes: int, widths: tuple[int, int]) -> nn.Sequential:
    """Linear, ReLU twice, dropout, linear."""
    first, second = widths
    return nn.Sequential(
        *(nn.Linear(width, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU()),
        *(nn.Dropout(0.4), nn.Linear(second, num_classes)),
    )


class CEFLNet(nn.Module):
    """Clip-aware emotion-rich feature learning (Liu et al., Information Sciences 2022)."""

    def __init__(self, channels: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.vectors = SnippetVectors(channels, width)
        inner = self.vectors.trunk.width
        self.frames = FrameAttention(inner)
        self.relation = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * inner, 1), nn.Sigmoid())
        self.snippet = nn.Linear(2 * inner, inner)
        self.importance = nn.Linear(inner, 1, bias=False)
        self.head = head(inner, num_classes, (inner // 2, inner // 4))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        v = self.vectors(clip)  # (B S, F, D)
        overall = self.frames(v).amax(dim=1, keepdim=True).expand_as(v)
        pairs = torch.cat([v, overall], dim=-1)
        weights = self.relation(pairs)  # (B S, F, 1)
        c = self.snippet((weights * pairs).sum(1) / weights.sum(1)).unflatten(0, (-1, SNIPPETS))  # (B, S, D)
        shares = torch.softmax(self.importance(c), dim=1)
        logits: torch.Tensor = self.head((shares * c).amax(dim=1))
        return logits


class EST(nn.Module):
    """Expression snippet transformer (Liu et al., Pattern Recognition 2023).

    While training, snippets come in one of ten fixed orders and a second head must tell which; the position of a slot
    is that of the snippet in it. At prediction the order is natural and only the emotion is read.
    """

    def __init__(self, channels: int, num_classes: int, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.vectors = SnippetVectors(channels, width)
        inner = self.vectors.trunk.width
        self.frames = FrameAttention(inner)
        self.transformer = nn.Transformer(
            inner, 4, layers, layers, dim_feedforward=4 * inner, dropout=0.1, batch_first=True
        )
        self.query_token = nn.Parameter(torch.empty(1, 1, inner))
        self.positions: torch.Tensor
        self.orders: torch.Tensor
        self.register_buffer("positions", sinusoids(SNIPPETS, inner), persistent=False)
        self.register_buffer("orders", distant_orders(SNIPPETS, 10), persistent=False)
        self.head = head(inner, num_classes, (inner // 4, inner // 8))
        self.order = nn.Sequential(
            *(nn.Linear(SNIPPETS * inner, 4 * inner), nn.BatchNorm1d(4 * inner), nn.ReLU()),
            *(nn.Linear(4 * inner, inner), nn.BatchNorm1d(inner), nn.ReLU()),
            nn.Linear(inner, len(self.orders)),
        )

    def snippet_vectors(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> (B, S, D): frames weighted by their cosine to the strongest features of the snippet."""
        o = self.frames(self.vectors(clip))  # (B S, F, D)
        strongest = o.amax(dim=1, keepdim=True)
        weights = functional.cosine_similarity(o, strongest, dim=-1).clamp(min=1e-8)[..., None]
        vectors: torch.Tensor = ((weights * o).sum(1) / weights.sum(1)).unflatten(0, (-1, SNIPPETS))
        return vectors

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        return self._emotion(self._read(self.snippet_vectors(clip) + self.positions))

    def shuffled(self, clip: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One training pass.

        Args:
            clip: (B, C, T, H, W).
            order: (B,) which of the ten orders each clip's snippets come in.

        Returns:
            Logits (B, K) of the emotion and (B, 10) of the order.
        """
        index = self.orders[order]  # (B, S)
        s = self.snippet_vectors(clip)
        s = s.gather(1, index[..., None].expand_as(s))
        read = self._read(s + self.positions[index])
        # The order must be told from what was read, not by changing the snippets.
        return self._emotion(read), self.order((s.detach() + read).flatten(1))

    def _read(self, snippets: torch.Tensor) -> torch.Tensor:
        """(B, S, D) -> (B, 1, D)."""
        out: torch.Tensor = self.transformer(snippets, self.query_token.expand(len(snippets), -1, -1))
        return out

    def _emotion(self, read: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(read[:, 0])
        return logits


def distant_orders(length: int, count: int) -> torch.Tensor:
    """(count, length) permutations, each chosen to differ in most places from those before it and the identity."""
    generator = torch.Generator("cpu").manual_seed(0)
    candidates = torch.stack([torch.randperm(length, generator=generator, device="cpu") for _ in range(2000)])
    chosen = [torch.arange(length, device="cpu")]
    for _ in range(count):
        nearest = torch.stack([(candidates != order).sum(1) for order in chosen]).amin(0)
        chosen.append(candidates[nearest.argmax()])
    return torch.stack(chosen[1:])
