"""A plain vision transformer of timm taken apart: its patches' embedding, and the blocks that transform them."""

from collections.abc import Callable

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from fieldmark.errors import ConfigError
from fieldmark.models.backbones.contract import Backbone
from fieldmark.models.backbones.timm_backbone import TimmBackbone


class PatchTokens:
    """What a masked autoencoder needs of a vision transformer; no module of its own.

    Args:
        backbone: a backbone around timm's ``VisionTransformer``.

    Attributes:
        backbone: the backbone that was given; its ``stride`` is the patch size.

    Raises:
        ConfigError: another kind of network, which can't encode some patches without the others.
    """

    def __init__(self, backbone: Backbone) -> None:
        network = backbone.network if isinstance(backbone, TimmBackbone) else None
        if not isinstance(network, VisionTransformer):
            raise ConfigError(
                "The masked ViT works around plain vision transformers of timm.",
                "Use a backbone such as vit_tiny_patch16_224, or the masked_conv autoencoder, which takes any.",
            )
        self.backbone = backbone
        # timm is untyped here; its modules are named as what they are called with.
        self._embed_patches: Callable[[Tensor], Tensor] = network.patch_embed
        self._add_positions: Callable[[Tensor], Tensor] = network._pos_embed
        self._before: Callable[[Tensor], Tensor] = network.norm_pre
        self._blocks: Callable[[Tensor], Tensor] = network.blocks
        self._after: Callable[[Tensor], Tensor] = network.norm
        self._prefix_length = int(network.num_prefix_tokens)
        self._fixed_size = None if network.dynamic_img_size else tuple(network.patch_embed.img_size)

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Turn pictures (B, 3, H, W) into prefix tokens (B, P, C) and patch tokens (B, h·w, C), positions added.

        Raises:
            ConfigError: the network was built for another size.
        """
        size = (x.shape[-2], x.shape[-1])
        if self._fixed_size is not None and size != self._fixed_size:
            raise ConfigError(
                f"The transformer takes pictures of {self._fixed_size[0]} × {self._fixed_size[1]} px, "
                f"not {size[0]} × {size[1]}.",
                "Build it with the option dynamic_img_size=True, or img_size as large as the pictures.",
            )
        tokens = self._add_positions(self._embed_patches(x))
        return tokens[:, : self._prefix_length], tokens[:, self._prefix_length :]

    def transform(self, tokens: Tensor) -> Tensor:
        """Send any choice of embedded tokens (B, N, C) through the blocks: (B, N, C)."""
        return self._after(self._blocks(self._before(tokens)))
