"""The settings of a training run: frozen records with their units and sources, checked once at the edge."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from madv.config_data import DatasetConfig
from madv.config_fields import STRICT, NonNegative, NotNegative, Positive, Share
from madv.config_meaning import forget_unread
from madv.config_method import MethodConfig
from madv.config_model import ModelConfig
from madv.config_synthetic import SyntheticConfig


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class LossConfig:
    """The joint loss of Eq. 18: focal + w_freq * (alpha, beta, gamma) + w_au * L_AU."""

    focal_lambda: NonNegative = 2.0
    """Focusing exponent lambda of Eq. 19; 0 is cross-entropy."""
    focal_mu: NonNegative = 1.0
    """Class balance mu of Eq. 19: weight of class c is proportional to n_c ** -focal_mu, with mean 1 over classes."""
    balance: Literal["frequency", "effective_number"] = "frequency"
    """effective_number: n_c above is replaced by (1 - .999 ** n_c) / (1 - .999) (Cui et al., CVPR 2019). Up to some
    hundred clips a class that is nearly n_c itself: .999 is the scale of thousands."""
    w_freq: NonNegative = 1.0
    """Weight of the multi-frequency loss (Eq. 20)."""
    alpha: NonNegative = 1 / 3
    """Weight of the low level (Eq. 21). A level whose weight is 0 has no head."""
    beta: NonNegative = 1 / 3
    """Weight of the middle level (Eq. 22)."""
    gamma: NonNegative = 1 / 3
    """Weight of the high level (Eq. 23)."""
    w_au: NonNegative = 1.0
    """Weight of the action-unit loss (Eq. 12). At 0 its classifier and decoders are gone, the gates stay."""
    beta_ib: NonNegative = 1e-3
    """Weight of compression in the information bottleneck (Eq. 4 to 8)."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class TrainConfig:
    """How one fold is trained. The number of epochs is fixed: no test subject chooses it."""

    epochs: Positive = 100
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Clips of a step; batch norm needs two."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5e-5
    min_learning_rate: NonNegative = 1e-6
    """Where the cosine ends."""
    weight_decay: NonNegative = 0.05
    warmup: Share = 0.0
    """Share of the steps over which the learning rate rises from 0."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 (or fp16 with loss scaling) on a GPU. A CPU trains in fp32 whatever is asked for: half precision is
    slower there."""
    mirror: bool = False
    """Mirror half of the training clips, left to right."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Largest random translation of a training clip, pixels."""
    mirror_prediction: bool = False
    """Predict the mean of a clip and its mirror image."""
    compile: bool = False
    """torch.compile the network; without a compiler it says so and goes on."""
    folds_per_step: Positive | Literal["auto"] = "auto"
    """Folds of a variant and seed that are trained as one program (madv.together), the same but for rounding. auto: as
    many as fit on a GPU, one on a CPU, where more are slower."""


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class PretrainConfig:
    """What happens to a fold's network before its own training: masked modelling, then another data set's labels."""

    masked_epochs: NotNegative = 0
    """Epochs of masked appearance and motion modelling on texture and depth; 0: none."""
    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the tubes of a clip that are hidden."""
    target: Literal["both", "appearance", "motion"] = "both"
    """What MADV-Net rebuilds under the mask: normalised pixels, differences between frames, or both. Other methods
    rebuild what their authors chose: videomae pixels, mae_dfer both."""
    motion_weight: Share = 0.5
    """MADV-Net: weight l of motion where both are rebuilt, (1 - l) MSE(pixels) + l MSE(differences)."""
    decoder_blocks: Positive | None = None
    """null: 2 of MADV-Net; 4 of videomae and mae_dfer, as published."""
    dataset: DatasetConfig | None = None
    """Data set of the supervised part (the paper's SMIC, or CAS(ME)^2's macro-expressions); null: none."""
    supervised_epochs: NotNegative = 0
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3

    def active(self) -> bool:
        """Whether there is anything to do."""
        return self.masked_epochs > 0 or (self.dataset is not None and self.supervised_epochs > 0)


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class ProtocolConfig:
    """What a fold trains on, and which epoch is scored. All but the defaults and copies alone flatters the score."""

    split: Literal["subjects", "clips"] = "subjects"
    """subjects: each is held out once. clips: folds of the same sizes at random, a subject's clips on both sides."""
    copies: Annotated[int, Field(ge=1, le=4)] = 1
    """Of each clip to train on: itself, its mirror image, and both moved a little. With split=clips each falls into a
    fold of its own, so that copies of a scored clip are trained on. The clips themselves are scored, once each."""
    epoch: Literal["last", "best_on_test"] = "last"
    """best_on_test: the first of the epochs that are best on the very clips that are scored."""
    labels: Literal["own", "shuffled"] = "own"
    """shuffled: a control. Training clips have each other's labels, scored ones their own: above chance is a leak."""

    def optimistic(self) -> bool:
        """Whether a held-out subject takes part in training or in the choice of what is scored."""
        return self.split == "clips" or self.epoch == "best_on_test"


@dataclass(frozen=True, kw_only=True, slots=True, config=STRICT)
class Config:
    """Everything that one training run depends on, besides its seed and its fold."""

    dataset: DatasetConfig = SyntheticConfig()
    method: MethodConfig = MethodConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    pretrain: PretrainConfig = PretrainConfig()
    protocol: ProtocolConfig = ProtocolConfig()

    def reads(self) -> tuple[str, ...]:
        """Streams that the network reads."""
        return self.model.streams.active() if self.method.name == "madv_net" else ("texture",)

    def keepable(self) -> bool:
        """Whether the network that makes the predictions is MADV-Net's, and is still there at the end of training."""
        return self.method.name == "madv_net" and self.protocol.epoch == "last"

    def meaning(self) -> dict[str, Any]:
        """What training depends on, as plain JSON values.

        Data sets enter a cell's key by their content instead, and weights on disk stand here by theirs.
        """
        sections = dataclasses.asdict(self)
        sections.pop("dataset")
        sections["pretrain"].pop("dataset")
        del sections["train"]["folds_per_step"]  # how, not what
        # What the network in question does not read must not tell one run from another.
        if self.method.name == "madv_net":
            sections.pop("method")
            labelled = self.pretrain.dataset is not None and self.pretrain.supervised_epochs > 0
            masked = self.pretrain.masked_epochs > 0
            forget_unread(sections["model"], sections["loss"], masked=masked, labelled=labelled)
        else:
            sections["method"] = self.method.meaning()
            for name in ("target", "motion_weight"):
                sections["pretrain"].pop(name)
            for name in ("model", "loss"):
                sections.pop(name)
        if not self.pretrain.active():
            sections.pop("pretrain")
        if self.protocol == ProtocolConfig():
            sections.pop("protocol")
        return sections
