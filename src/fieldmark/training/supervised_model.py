"""What supervised training runs: a recogniser, and what else is learned beside the classes."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from fieldmark.models.autoencoders import Autoencoder
from fieldmark.models.parts import DiscoveryWeights, KeypointParts, discovery_loss, equivariance_error
from fieldmark.models.recognizer import PartEvidence, Recognizer
from fieldmark.training.attribute_targets import AttributeHead, AttributeTargets, attribute_loss
from fieldmark.training.keypoint_targets import KeypointTargets
from fieldmark.training.norm_statistics import kept_statistics
from fieldmark.training.teacher import Teacher


class ToRebuild(NamedTuple):
    """Pictures to be rebuilt.

    Attributes:
        pictures: normalised pictures (U, 3, H, W).
        generator: decides what is hidden of them.
    """

    pictures: Tensor
    generator: torch.Generator


class Moved(NamedTuple):
    """Some of the labelled pictures, seen another way.

    Attributes:
        pictures: the first M of a batch's pictures, moved and recoloured (M, 3, H, W).
        theta: how: affine maps (M, 2, 3) from the moved pictures' coordinates to the pictures', both in -1..1.
    """

    pictures: Tensor
    theta: Tensor


class SupervisedBatch(NamedTuple):
    """One step's pictures.

    Attributes:
        x: augmented, normalised pictures (B, 3, R, R).
        targets: class shares (B, N).
        to_rebuild: augmented pictures to be rebuilt; ``None`` where nothing is.
        keypoints: where the keypoints of ``x`` are; ``None`` where they are not learned.
        moved: some of ``x``, moved; ``None`` where parts are not discovered.
        attributes: which attributes ``x`` have; ``None`` where they are not learned.
        covered: (B, R, R), what of ``x`` an occluder hides; ``None`` where none is drawn.
        theta: affine maps (B, 2, 3) from the coordinates of ``x`` to those of the photos, both in -1..1; ``None`` where
            nobody asks for them.
        trust: how far discovered parts are taken for what they are, in 0..1.
    """

    x: Tensor
    targets: Tensor
    to_rebuild: ToRebuild | None = None
    keypoints: KeypointTargets | None = None
    moved: Moved | None = None
    attributes: AttributeTargets | None = None
    covered: Tensor | None = None
    theta: Tensor | None = None
    trust: float = 1.0


class Outputs(NamedTuple):
    """All that the loss is made of.

    Attributes:
        logits: (B, N).
        parts: what the logits were added up from.
        losses: what else is to be minimised: ``reconstruction``, ``keypoints``, ``attributes``, ``discovery``, where it
            is wanted.
        terms: of what some of these are made up, by name, detached.
        taught: the teacher's logits (B, N); ``None`` without a teacher.
    """

    logits: Tensor
    parts: PartEvidence
    losses: dict[str, Tensor]
    terms: dict[str, Tensor]
    taught: Tensor | None = None


class SupervisedModel(nn.Module):
    """A recogniser with the losses of what is learned beside the classes; all look at the same features and maps.

    Args:
        recognizer: tells classes apart.
        autoencoder: a masked autoencoder whose ``backbone`` is the recogniser's; ``None`` where nothing is rebuilt.
        discovery: how much each term of part discovery counts; ``None`` where parts are not discovered.
        attributes: tells attributes; ``None`` where they are not learned.
        teacher: tells the classes, too; ``None`` where nobody teaches.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        autoencoder: Autoencoder | None = None,
        discovery: DiscoveryWeights | None = None,
        attributes: AttributeHead | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.autoencoder = autoencoder
        self.discovery = discovery
        self.attributes = attributes
        self.teacher = teacher

    def forward(self, batch: SupervisedBatch) -> Outputs:
        """Tell labelled pictures apart, and measure whatever else the batch holds something for."""
        features = self.recognizer.features(batch.x)  # (B, C, H, W)
        maps = self.recognizer.parts(features.detach() if self._apart else features)  # (B, K + 1, H, W)
        found = self._evidence(features, maps, batch.trust)
        losses: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        if batch.to_rebuild is not None and self.autoencoder is not None:
            # Pictures with holes have statistics of their own; prediction sees whole pictures.
            pictures, generator = batch.to_rebuild
            with kept_statistics(self._backbone):
                losses["reconstruction"], _ = self.autoencoder.loss(self.recognizer.seen(pictures), generator)
        if batch.keypoints is not None:
            parts = cast("KeypointParts", self.recognizer.parts)
            losses["keypoints"], more = parts.loss(maps, *batch.keypoints)
            terms |= more
        if batch.attributes is not None and self.attributes is not None:
            told = self.attributes(*self.recognizer.pooled(features, maps))  # (B, A)
            losses["attributes"] = attribute_loss(told, batch.attributes)
        if batch.moved is not None and self.discovery is not None:
            losses["discovery"], more = self._discover(batch, features, maps, batch.moved, self.discovery)
            terms |= more
        taught = self.teacher(features) if self.teacher is not None else None
        return Outputs(self.recognizer.logits_of(found.evidence), found, losses, terms, taught)

    @property
    def _apart(self) -> bool:
        """Whether parts and classes are learned apart, on the same features: where the parts are discovered.

        Evidence begins as noise, and the loss of the classes would fall fastest by making all parts absent, or one even
        mixture, from which none comes back; and what makes maps of parts undoes what a trained backbone knows.
        """
        return self.discovery is not None and not isinstance(self.recognizer.parts, KeypointParts)

    def _evidence(self, features: Tensor, maps: Tensor, trust: float) -> PartEvidence:
        if self._apart:
            return self.recognizer.evidence_of(features, maps.detach(), trust=trust)
        return self.recognizer.evidence_of(features, maps)

    @property
    def _backbone(self) -> nn.Module:
        return cast("nn.Module", self.recognizer.backbone)  # every backbone is a module

    def _discover(
        self, batch: SupervisedBatch, features: Tensor, maps: Tensor, moved: Moved, weights: DiscoveryWeights
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with kept_statistics(self._backbone), torch.set_grad_enabled(not self._apart):
            features_moved = self.recognizer.features(moved.pictures)
        moved_maps = self.recognizer.parts(features_moved)
        equivariance = equivariance_error(maps[: len(moved_maps)], moved_maps, moved.theta)
        loss, terms = discovery_loss(batch.x, features, maps, weights, batch.covered, batch.theta)
        return loss + weights.equivariance * equivariance, {**terms, "equivariance": equivariance.detach()}
