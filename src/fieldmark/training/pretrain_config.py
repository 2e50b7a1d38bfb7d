"""The options of pretraining by reconstruction: one flat record, checked when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fieldmark.errors import ConfigError
from fieldmark.training.options import PRECISIONS, OptionValue, check_names, check_ranges

KINDS = ("dense", "conv", "recurrent", "masked_conv", "masked_vit", "parts", "skeleton")
TOKENIZERS = ("bytes", "bpe")
VALIDATION_SPLITS = ("none", "val", "test")
PIXEL_LOSSES = ("bernoulli", "squared")
CORRUPTIONS = ("none", "gaussian", "mask")

#: The autoencoders that learn a backbone.
AROUND_BACKBONE = ("masked_conv", "masked_vit", "parts", "skeleton")


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """Options of pretraining by reconstruction.

    Attributes:
        autoencoder: ``dense``, ``conv`` (pictures), ``recurrent`` (sounds, texts), ``masked_conv`` (pictures, around
            any backbone), ``masked_vit`` (pictures, around a vision transformer), ``parts`` (pictures, finds parts in
            any backbone's features) or ``skeleton`` (pictures, finds keypoints that are linked alike in all of them).
        backbone: the network of all but dense, conv and recurrent autoencoders: a timm name, or ``torchvision:NAME``.
        backbone_options: keyword arguments of the network, such as ``{"output_stride": 16}``.
        weights: what the backbone begins with: ``"none"`` (from scratch), ``"hub"`` or a safetensors file.
        mean: mean per RGB channel (0..1) that the weights want; ``None`` takes what the library says.
        std: standard deviation per RGB channel (0..1); ``None`` takes what the library says.
        init: where the backbone comes from instead: a run of ``fieldmark pretrain`` or ``fieldmark train``, or a
            ``.keras`` file; ``"none"`` builds a new one.
        freeze_backbone: leave the backbone of ``parts`` as it is and learn the parts alone.
        parts: number of parts or keypoints to find.
        mask_ratio: share of the picture that is hidden, above 0 and below 1.
        block: side of a hidden block of masked_conv in pixels, a multiple of the backbone's stride.
        decoder_width: channels of a masked autoencoder's decoder.
        feature_weights: safetensors file of a frozen network whose features are to be predicted beside the pixels;
            ``"hub"`` takes the library's own; ``"built-in"`` a network that needs none, such as
            ``fieldmark:gradients``; ``"none"`` predicts pixels alone.
        feature_backbone: that network's name.
        feature_options: keyword arguments of that network.
        feature_mean: mean per RGB channel (0..1) that its weights want; ``None`` takes what the library says.
        feature_std: standard deviation per RGB channel (0..1); ``None`` takes what the library says.
        feature_loss_weight: weight of the feature term beside the pixels'.
        hidden_sizes: entries of the dense autoencoder's hidden layers, the code last.
        widths: channels of the conv autoencoder's stages, finest first.
        code_dim: channels of a conv code, entries of a recurrent one.
        grey: show dense and conv autoencoders one grey channel in place of three colours.
        hidden: entries of the recurrent autoencoder's state.
        layers: layers of its networks.
        input_dropout: share of true steps that its decoder is not told in training, in 0..1.
        tokenizer: how texts become tokens: ``bytes``, or ``bpe`` (byte-pair encoding, learned from training rows).
        vocabulary: tokens of a byte-pair encoding.
        max_tokens: longer texts are cut.
        sample_rate: samples a second that sounds are brought to.
        mels: bands of a sound's spectrogram.
        pixel_loss: ``bernoulli`` (binary cross-entropy) or ``squared``, of dense and conv autoencoders.
        beta: weight of the divergence of a variational code; ``None`` for a plain code.
        corruption: noise on the input that is to be undone: ``none``, ``gaussian`` or ``mask``.
        corruption_strength: standard deviation of the noise, or share of entries set to zero.
        resolution: side of the square training input in pixels.
        epochs: passes over the rows.
        batch_size: samples a step, over all processes.
        learning_rate: AdamW's peak learning rate.
        weight_decay: AdamW's decay of matrices and filters; biases and norms have none.
        warmup_epochs: epochs of linear warm-up before the cosine.
        flip: mirror half of the pictures.
        crop_scale: smallest area of a random crop, as a share of the picture; 1 never crops.
        rotation: largest rotation either way, in degrees.
        color: largest relative change of brightness, contrast and saturation.
        held_out_classes: classes, chosen by the seed, that are left out, to see whether their reconstruction error
            gives them away.
        validate_on: split whose rows are left out and measured every epoch: ``none``, ``val`` or ``test``.
        picture_every: epochs between two pictures of reconstructions; 0 draws none.
        seed: of weights, order, augmentation and masks.
        precision: ``"bf16"`` autocast, ``"32"``, or ``"auto"``: bf16 where the processor has instructions for it.
        time_limit: minutes that training may take; epochs are cut to fit. ``None`` is no limit.
    """

    autoencoder: str = "masked_conv"
    backbone: str = "resnet18"
    backbone_options: Mapping[str, OptionValue] = field(default_factory=dict)
    weights: str = "none"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    init: str = "none"
    freeze_backbone: bool = False
    parts: int = 8
    mask_ratio: float = 0.6
    block: int = 32
    decoder_width: int = 128
    feature_weights: str = "none"
    feature_backbone: str = "mobilenetv2_100"
    feature_options: Mapping[str, OptionValue] = field(default_factory=dict)
    feature_mean: tuple[float, float, float] | None = None
    feature_std: tuple[float, float, float] | None = None
    feature_loss_weight: float = 1.0
    hidden_sizes: tuple[int, ...] = (128, 64)
    widths: tuple[int, ...] = (32, 64, 128)
    code_dim: int = 128
    grey: bool = False
    hidden: int = 256
    layers: int = 1
    input_dropout: float = 0.5
    tokenizer: str = "bytes"
    vocabulary: int = 4096
    max_tokens: int = 128
    sample_rate: int = 8000
    mels: int = 40
    pixel_loss: str = "bernoulli"
    beta: float | None = None
    corruption: str = "none"
    corruption_strength: float = 0.0
    resolution: int = 128
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 2.0
    flip: bool = True
    crop_scale: float = 0.5
    rotation: float = 0.0
    color: float = 0.0
    held_out_classes: int = 0
    validate_on: str = "none"
    picture_every: int = 10
    seed: int = 0
    precision: str = "auto"
    time_limit: float | None = None

    def __post_init__(self) -> None:
        check_names(self, _NAMES)
        check_ranges(self, _RANGES)
        for name in ("hidden_sizes", "widths"):
            sizes = getattr(self, name)
            if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
                raise ConfigError(f"{name} can't be {sizes!r}.", "Give whole numbers above 0, such as 128,64.")
        if self.feature_weights != "none" and self.autoencoder != "masked_conv":
            raise ConfigError(
                f"The {self.autoencoder} autoencoder predicts no features.", "Use --autoencoder masked_conv."
            )

        if self.freeze_backbone and self.autoencoder != "parts":
            raise ConfigError(
                f"The {self.autoencoder} autoencoder learns its backbone, which freeze_backbone would not let it.",
                "Leave freeze_backbone out, or use --autoencoder parts.",
            )
        if self.init != "none" and self.weights != "none":
            raise ConfigError("init and weights both say where the backbone's weights come from.", "Give one of them.")
        if self.init != "none" and self.autoencoder not in AROUND_BACKBONE:
            raise ConfigError(
                f"The {self.autoencoder} autoencoder has no backbone to begin with.",
                f"Use --autoencoder {' or '.join(AROUND_BACKBONE)}.",
            )

    @property
    def finish_epochs(self) -> int:
        """Passes at another resolution: none."""
        return 0

    @property
    def finish_resolution(self) -> int:
        """No other resolution."""
        return 0


_NAMES = {
    "autoencoder": ("autoencoder", KINDS),
    "tokenizer": ("tokenizer", TOKENIZERS),
    "validate_on": ("split to validate on", VALIDATION_SPLITS),
    "pixel_loss": ("reconstruction loss", PIXEL_LOSSES),
    "corruption": ("corruption", CORRUPTIONS),
    "precision": ("precision", PRECISIONS),
}

#: Option → (smallest, largest) value; both allowed.
_RANGES: dict[str, tuple[float, float]] = {
    "parts": (1, 1024),
    "mask_ratio": (0.01, 0.99),
    "block": (1, 4096),
    "decoder_width": (1, 65536),
    "feature_loss_weight": (0, 1e6),
    "code_dim": (1, 65536),
    "hidden": (1, 65536),
    "layers": (1, 64),
    "input_dropout": (0, 1),
    "vocabulary": (259, 1e6),
    "max_tokens": (1, 1e6),
    "sample_rate": (1000, 768_000),
    "mels": (1, 1024),
    "beta": (0, 1e6),
    "corruption_strength": (0, 1e6),
    "resolution": (8, 4096),
    "epochs": (1, 1e5),
    "batch_size": (2, 1e6),
    "learning_rate": (1e-12, 100),
    "weight_decay": (0, 10),
    "warmup_epochs": (0, 1e5),
    "crop_scale": (0.01, 1),
    "rotation": (0, 180),
    "color": (0, 0.9),
    "held_out_classes": (0, 1e6),
    "picture_every": (0, 1e6),
    "time_limit": (0.01, 1e6),
}
