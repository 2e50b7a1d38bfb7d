"""The options of supervised training: one flat record, checked when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.records import OCCLUDER_NAMES
from fieldmark.training.options import PRECISIONS, OptionValue, check_names, check_ranges

INITIAL_HEADS = ("random", "logistic")

#: No head teaches the recogniser's own.
NO_TEACHER = "none"

#: The heads that look at every place for themselves, and none of them.
TEACHERS = (NO_TEACHER, "attention", "second_order")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Options of supervised training.

    Attributes:
        backbone: a timm name, or ``torchvision:NAME``.
        backbone_options: keyword arguments of the network, such as ``{"pad_type": "same"}``.
        weights: ``"none"`` (from scratch), ``"hub"`` (the library's own, from the network) or a safetensors file.
        init: where the backbone comes from instead: a run of ``fieldmark pretrain`` or ``fieldmark train``, or a
            ``.keras`` file; ``"none"`` builds a new one.
        mean: mean per RGB channel (0..1) that the weights want; ``None`` takes what the library says.
        std: standard deviation per RGB channel (0..1); ``None`` takes what the library says.
        parts: number of parts to discover, without any annotation; 0 takes the whole picture as the only part, ``None``
            the parts of the run that ``init`` names, if it has some.
        discovery_weight: weight of the loss of discovery beside that of the classes; with ``keypoints``, of their
            moving along when the picture moves, annotated or not.
        head: what turns parts into evidence: linear or additive, which add up what each part says; or, to compare with,
            attention or second_order, which look at every place for themselves and mix them. auto is additive where
            there are parts, and linear on the whole picture.
        rest: let the rest of the picture, where no part is, add evidence, too.
        rest_penalty: weight of the mean squared evidence of the rest, centred over classes. Of two ways to the same
            logits the loss then takes the one by way of the parts, and the rest says only what they can't.
        part_attention: let each part look at some of its cells more than at others; marks are smaller than parts.
        usual_light: bring pictures that are darker, brighter, flatter or harsher than four fifths of the training
            pictures to the edge of those before the network sees them, in training and in prediction.
        initial_head: ``"random"``, or ``"logistic"``: logistic regression on the frozen features, so that the
            first steps do not spoil pretrained features (LP-FT: Kumar et al., ICLR 2022).
        freeze_to_stride: layers up to this stride keep their weights; 0 trains all.
        resolution: side of the square training input in pixels.
        epochs: passes over the training rows at ``resolution``.
        finish_epochs: further passes at ``finish_resolution`` (FixRes: Touvron et al., NeurIPS 2019).
        finish_resolution: side in pixels of those passes, and of prediction; 0 means ``resolution``.
        batch_size: pictures a step, over all processes.
        learning_rate: AdamW's peak learning rate.
        head_learning_rate: the head's own peak learning rate.
        weight_decay: AdamW's decay of matrices and filters; biases and norms have none.
        warmup_epochs: epochs of linear warm-up before the cosine.
        label_smoothing: share of probability spread over all classes, in 0..1.
        dropout: share of part-vector entries zeroed, in 0..1.
        part_dropout: share of the parts hidden from the head, picture by picture, in 0..1; one of each picture stays.
        ema_decay: decay a step of the averaged weights that are kept; 0 keeps the last weights.
        class_balanced: draw every class equally often.
        flip: mirror half of the pictures.
        crop_scale: smallest area of a random crop, as a share of the picture; 1 never crops.
        rotation: largest rotation either way, in degrees.
        color: largest relative change of brightness, contrast and saturation.
        mixup: Beta parameter of mixup (Zhang et al., ICLR 2018); 0 never mixes.
        occlusion: share of the pictures of which places are covered, in 0..1: between 10 and 60 % of a place anywhere.
        occluders: what covers them: some of grey, noise, texture, leaves and superpixels. A robustness measured with
            one that is left out is that against occluders never seen.
        lighting: strength of other gammas, shadows and colour temperatures, in 0..1, of the pictures that are not
            occluded; 0 leaves the light as it is. Like occlusion, it grows over the first half of the epochs.
        unlabelled_weight: weight of a second task, rebuilding hidden places of all rows outside the test split,
            labelled or not; 0 leaves it out.
        rank_weight: weight of the loss of the lineage's coarser ranks beside that of the classes; 0 leaves it out. A
            rank's probabilities are those of its classes added up, so that a class never contradicts its rank.
        attribute_weight: weight of the loss of the data's attributes, told by a second head that is not kept; 0 leaves
            it out.
        teacher: a head that mixes, attention or second_order, which learns the classes beside the recogniser's own and
            tells it what it thinks of each picture. It teaches the backbone, and is not kept; ``"none"`` does without.
        teacher_weight: weight of the teacher's loss beside that of the classes.
        keypoints: the parts are the data's annotated keypoints, learned from the training rows that have some.
        part_labels: annotated pictures of each class that the keypoints are learned from, chosen by the seed; ``None``
            takes all.
        keypoint_weight: weight of the keypoints' loss beside that of the classes.
        holdout: share of each class's training rows that are made validation rows where the data have none, so that
            decisions can be fitted on pictures that no weight was learned from; 0 trains on all.
        seed: of weights, order, augmentation and the choice of ``part_labels`` and of rows held out.
        precision: ``"bf16"`` autocast, ``"32"``, or ``"auto"``: bf16 where the processor has instructions for it.
        time_limit: minutes that training may take; epochs are cut to fit. ``None`` is no limit.
    """

    backbone: str = "resnet18"
    backbone_options: Mapping[str, OptionValue] = field(default_factory=dict)
    weights: str = "none"
    init: str = "none"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    parts: int | None = None
    discovery_weight: float = 1.0
    head: str = "auto"
    rest: bool = False
    rest_penalty: float = 0.1
    part_attention: bool = False
    usual_light: bool = False
    initial_head: str = "random"
    freeze_to_stride: int = 0
    resolution: int = 160
    epochs: int = 30
    finish_epochs: int = 0
    finish_resolution: int = 0
    batch_size: int = 32
    learning_rate: float = 1e-3
    head_learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.1
    dropout: float = 0.2
    part_dropout: float = 0.0
    ema_decay: float = 0.995
    class_balanced: bool = False
    flip: bool = True
    crop_scale: float = 0.4
    rotation: float = 12.0
    color: float = 0.3
    mixup: float = 0.0
    occlusion: float = 0.0
    occluders: tuple[str, ...] = ("grey", "noise", "texture", "superpixels")
    lighting: float = 0.0
    unlabelled_weight: float = 0.0
    rank_weight: float = 0.0
    attribute_weight: float = 0.0
    teacher: str = NO_TEACHER
    teacher_weight: float = 1.0
    keypoints: bool = False
    part_labels: int | None = None
    keypoint_weight: float = 1.0
    holdout: float = 0.0
    seed: int = 0
    precision: str = "auto"
    time_limit: float | None = None

    def __post_init__(self) -> None:
        check_names(self, _NAMES)
        check_ranges(self, _RANGES)
        _check_together(self)

    @property
    def head_name(self) -> str:
        """The head that ``head`` stands for."""
        if self.head != "auto":
            return self.head
        return "additive" if self.parts or self.keypoints else "linear"

    @property
    def final_resolution(self) -> int:
        """Side in pixels at which the trained recogniser predicts."""
        return self.finish_resolution or self.resolution

    @property
    def total_epochs(self) -> int:
        """Passes at either resolution."""
        return self.epochs + self.finish_epochs


_NAMES = {
    "precision": ("precision", PRECISIONS),
    "initial_head": ("initial head", INITIAL_HEADS),
    "teacher": ("teacher", TEACHERS),
}

#: Option → (smallest, largest) value; both allowed.
_RANGES: dict[str, tuple[float, float]] = {
    "parts": (0, 1024),
    "discovery_weight": (0, 1000),
    "resolution": (16, 4096),
    "finish_resolution": (0, 4096),
    "epochs": (1, 1e5),
    "finish_epochs": (0, 1e5),
    "batch_size": (2, 1e5),
    "learning_rate": (1e-12, 100),
    "head_learning_rate": (1e-12, 100),
    "weight_decay": (0, 10),
    "warmup_epochs": (0, 1e5),
    "label_smoothing": (0, 0.99),
    "dropout": (0, 0.99),
    "part_dropout": (0, 0.99),
    "rest_penalty": (0, 1000),
    "ema_decay": (0, 0.999999),
    "crop_scale": (0.01, 1),
    "rotation": (0, 180),
    "color": (0, 0.9),
    "mixup": (0, 10),
    "occlusion": (0, 1),
    "lighting": (0, 1),
    "unlabelled_weight": (0, 1000),
    "rank_weight": (0, 1000),
    "attribute_weight": (0, 1000),
    "teacher_weight": (0, 1000),
    "part_labels": (0, 1e6),
    "keypoint_weight": (0, 1000),
    "holdout": (0, 0.5),
    "time_limit": (0.01, 1e6),
}


def _check_together(config: TrainConfig) -> None:
    if not isinstance(config.occluders, tuple):
        raise ConfigError(f"occluders can't be {config.occluders!r}.", 'Give a list, such as ["grey", "leaves"].')
    for name in config.occluders:
        if name not in OCCLUDER_NAMES:
            raise unknown_name("occluder", str(name), OCCLUDER_NAMES)
    if config.occlusion and not config.occluders:
        raise ConfigError("occlusion needs occluders.", f"Name some of: {', '.join(OCCLUDER_NAMES)}.")
    if config.finish_epochs and not config.finish_resolution:
        raise ConfigError("finish_epochs needs finish_resolution.", "Give both, such as 3 and 224.")
    if config.init != "none" and config.weights != "none":
        raise ConfigError("init and weights both say where the backbone's weights come from.", "Give one of them.")
    if config.part_labels is not None and not config.keypoints:
        raise ConfigError("part_labels says how many keypoints to learn from, and there are none.", "Give keypoints.")
    if config.keypoints and config.parts:
        raise ConfigError(
            "keypoints and parts both say what the parts are.", "Give keypoints, or a number of parts to discover."
        )
    if (config.keypoints or config.parts) and config.mixup:
        raise ConfigError("Blended pictures have no parts of their own.", "Give mixup 0, or parts 0 and no keypoints.")
