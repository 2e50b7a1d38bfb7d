"""Everything needed to build an autoencoder again, but its weights: flat records that JSON can hold."""

from dataclasses import dataclass, field

from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.parts import PartsSpec


@dataclass(frozen=True, slots=True)
class DenseSpec:
    """A dense autoencoder; by default the classical 784-128-64-128-784.

    Attributes:
        sizes: entries of the input, of each hidden layer, and of the code last.
        pixel_loss: a name in ``PIXEL_LOSSES``.
        beta: weight of the divergence of a variational code; ``None`` for a plain code.
        corruption: a name in ``CORRUPTIONS``.
        corruption_strength: standard deviation of the noise, or share of entries.
    """

    sizes: tuple[int, ...] = (784, 128, 64)
    pixel_loss: str = "bernoulli"
    beta: float | None = None
    corruption: str = "none"
    corruption_strength: float = 0.0


@dataclass(frozen=True, slots=True)
class ConvSpec:
    """A convolutional autoencoder.

    Attributes:
        channels: channels of the pictures.
        widths: channels of each stage, finest first; every stage halves the picture.
        code_dim: channels of the code map.
        pixel_loss: a name in ``PIXEL_LOSSES``.
        beta: weight of the divergence of a variational code; ``None`` for a plain code.
        corruption: a name in ``CORRUPTIONS``.
        corruption_strength: standard deviation of the noise, or share of entries.
    """

    channels: int = 3
    widths: tuple[int, ...] = (32, 64, 128)
    code_dim: int = 32
    pixel_loss: str = "bernoulli"
    beta: float | None = None
    corruption: str = "none"
    corruption_strength: float = 0.0


@dataclass(frozen=True, slots=True)
class RecurrentSpec:
    """A recurrent autoencoder of frames or of tokens; exactly one of ``frame_dim`` and ``vocabulary`` is above 0.

    Attributes:
        frame_dim: entries of a frame; 0 for tokens.
        vocabulary: number of token ids, the padding's among them; 0 for frames.
        padding: the id that stands after the end of a sequence of tokens.
        code_dim: entries of the code.
        hidden: entries of a GRU's state.
        layers: layers of each GRU.
        steps: how many steps are written from a code unless told otherwise.
        teacher_forcing: tell the decoder the step before each one.
        input_dropout: share of these inputs that are zeroed in training, in 0..1.
        beta: weight of the divergence of a variational code; ``None`` for a plain code.
        corruption: a name in ``CORRUPTIONS``.
        corruption_strength: standard deviation of the noise, or share of entries.
    """

    frame_dim: int = 0
    vocabulary: int = 0
    padding: int = 0
    code_dim: int = 128
    hidden: int = 256
    layers: int = 1
    steps: int = 100
    teacher_forcing: bool = True
    input_dropout: float = 0.5
    beta: float | None = None
    corruption: str = "none"
    corruption_strength: float = 0.0


@dataclass(frozen=True, slots=True)
class MaskedConvSpec:
    """A masked autoencoder around any backbone.

    Attributes:
        backbone: the backbone's spec.
        block: side of a hidden block in pixels, a multiple of the backbone's stride.
        ratio: share of hidden blocks, above 0 and below 1.
        decoder_width: channels of the decoder's first layer.
        target_dim: channels of the feature network's map; 0 for pixels alone.
        target_weight: weight of the feature term.
        target_distance: a name in ``FEATURE_DISTANCES``.
        corruption: a name in ``CORRUPTIONS``.
        corruption_strength: standard deviation of the noise, or share of entries.
    """

    backbone: BackboneSpec
    block: int = 32
    ratio: float = 0.6
    decoder_width: int = 128
    target_dim: int = 0
    target_weight: float = 1.0
    target_distance: str = "cosine"
    corruption: str = "none"
    corruption_strength: float = 0.0


@dataclass(frozen=True, slots=True)
class MaskedViTSpec:
    """A masked autoencoder around a plain vision transformer of timm.

    Attributes:
        backbone: the backbone's spec; its option ``dynamic_img_size`` lets it take any size.
        ratio: share of hidden patches, above 0 and below 1.
        decoder_width: width of the decoder, a multiple of 32.
        decoder_depth: blocks of the decoder.
        corruption: a name in ``CORRUPTIONS``.
        corruption_strength: standard deviation of the noise, or share of entries.
    """

    backbone: BackboneSpec
    ratio: float = 0.75
    decoder_width: int = 192
    decoder_depth: int = 2
    corruption: str = "none"
    corruption_strength: float = 0.0


@dataclass(frozen=True, slots=True)
class PartAutoencoderSpec:
    """An autoencoder of parts around any backbone.

    Attributes:
        backbone: the backbone's spec.
        parts: the part learner's spec.
        frozen: leave the backbone as it is and learn the parts alone.
    """

    backbone: BackboneSpec
    parts: PartsSpec = field(default_factory=PartsSpec)
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class SkeletonSpec:
    """An autoencoder of linked keypoints around any backbone.

    Attributes:
        backbone: the backbone's spec.
        parts: the keypoint learner's spec.
        decoder_width: channels of the decoder's finest layer, a multiple of 8.
    """

    backbone: BackboneSpec
    parts: PartsSpec = field(default_factory=PartsSpec)
    decoder_width: int = 32


AutoencoderSpec = (
    DenseSpec | ConvSpec | RecurrentSpec | MaskedConvSpec | MaskedViTSpec | PartAutoencoderSpec | SkeletonSpec
)
