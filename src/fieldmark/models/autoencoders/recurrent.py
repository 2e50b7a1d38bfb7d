"""Recurrent autoencoders: a sequence to one vector and back (Cho et al. 2014; Srivastava et al. 2015).

While training, the decoder is told the true step before each one (teacher forcing); dropping part of these inputs
makes it rely on the code (Bowman et al. 2016). Without teacher forcing it sees the code alone.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.models.autoencoders.bottleneck import Bottleneck, PlainBottleneck
from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms, evaluating
from fieldmark.models.autoencoders.corruption import Corruption, NoCorruption
from fieldmark.models.autoencoders.drawing import draw_uniform
from fieldmark.models.autoencoders.sequences import (
    SequenceDecoder,
    SequenceEncoder,
    check_share,
    mean_over,
    real_frames,
)


@dataclass(frozen=True, slots=True)
class RecurrentSizes:
    """The sizes and habits of a recurrent autoencoder.

    Attributes:
        code_dim: entries D of the code.
        hidden: entries of a GRU's state, and of an embedded step.
        layers: layers of each GRU.
        steps: how many steps ``decode`` writes unless told otherwise.
        teacher_forcing: tell the decoder the step before each one.
        input_dropout: share of these inputs that are zeroed in training, in 0..1.
    """

    code_dim: int
    hidden: int
    layers: int
    steps: int
    teacher_forcing: bool
    input_dropout: float


class _Recurrent(nn.Module):
    """What sequences of frames and of tokens share: everything between their embedding and their output layer."""

    code_kind: CodeKind = "vector"
    input_kind: InputKind
    embed: nn.Module
    output: nn.Linear

    def __init__(self, sizes: RecurrentSizes, bottleneck: Bottleneck | None, corruption: Corruption | None) -> None:
        super().__init__()
        self._bottleneck = bottleneck or PlainBottleneck()
        self._corruption = corruption or NoCorruption()
        self._input_dropout = check_share(sizes.input_dropout)
        self._teacher_forcing = sizes.teacher_forcing
        self._steps = sizes.steps
        self.code_dim = sizes.code_dim
        self.encoder = SequenceEncoder(sizes.hidden, sizes.hidden, sizes.layers)
        self.to_code = nn.Linear(2 * sizes.hidden, sizes.code_dim * self._bottleneck.inputs_per_code)
        inputs = sizes.hidden if sizes.teacher_forcing else 0
        self.decoder = SequenceDecoder(inputs, sizes.code_dim, sizes.hidden, sizes.layers)

    @abstractmethod
    def _pick(self, outputs: Tensor) -> Tensor:
        """Turn outputs (B, T, ...) of the last layer into steps of the batch."""

    def _read(self, embedded: Tensor, real: Tensor) -> Tensor:
        return self.to_code(self.encoder(embedded, real))  # type: ignore[no-any-return]  # (B, n·D)

    def _code(self, h: Tensor, generator: torch.Generator | None) -> Tensor:
        return self._bottleneck.sample(h, generator) if self.training else self._bottleneck.code(h)

    def _write(self, z: Tensor, embedded: Tensor, generator: torch.Generator | None) -> Tensor:
        """Write from codes (B, D), told the embedded steps (B, T, E) one late: (B, T, outputs)."""
        return self.output(self._states(z, embedded, generator))  # type: ignore[no-any-return]

    def _states(self, z: Tensor, embedded: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what the last layer is given at each step: (B, T, H)."""
        if self._teacher_forcing:
            before = functional.pad(embedded[:, :-1], (0, 0, 1, 0))
            if self.training and self._input_dropout:
                kept = draw_uniform(before.shape[:2], before, generator) >= self._input_dropout
                before = before * kept.unsqueeze(-1)
        else:
            before = embedded[..., :0]
        return self.decoder(before, z, self.decoder.first_state(z))[0]  # type: ignore[no-any-return]

    def decode(self, z: Tensor, steps: int | None = None) -> Tensor:
        """Write sequences from codes (B, D), each step told what was written before it.

        Args:
            z: the codes.
            steps: how many steps T to write; ``None`` for the number it was built with.

        Returns:
            Frames (B, T, F), or tokens (B, T), the likeliest one by one and never the padding.
        """
        steps, state = steps or self._steps, self.decoder.first_state(z)
        if not self._teacher_forcing:
            return self._pick(self.output(self.decoder(z.new_zeros(len(z), steps, 0), z, state)[0]))
        before, written = z.new_zeros(len(z), 1, self.decoder.inputs), []
        for _ in range(steps):
            outputs, state = self.decoder(before, z, state)
            written.append(self._pick(self.output(outputs)))
            before = self.embed(written[-1])
        return torch.cat(written, 1)


class FrameAutoencoder(_Recurrent):
    """Sequences of frames, such as log-mel spectra, to one vector and back.

    Args:
        frame_dim: entries F of a frame.
        sizes: the sizes and habits.
        bottleneck: what makes the code; ``None`` for the plain one.
        corruption: noise on the frames that the encoder reads in training; ``None`` for none.
    """

    input_kind: InputKind = "frames"

    def __init__(
        self,
        frame_dim: int,
        sizes: RecurrentSizes,
        *,
        bottleneck: Bottleneck | None = None,
        corruption: Corruption | None = None,
    ) -> None:
        super().__init__(sizes, bottleneck, corruption)
        self.embed = nn.Linear(frame_dim, sizes.hidden)
        self.output = nn.Linear(sizes.hidden, frame_dim)

    def encode(self, x: Tensor) -> Tensor:
        """Turn sequences (B, T, F), NaN after each one's end, into codes (B, D)."""
        return self._bottleneck.code(self._read(self.embed(x.nan_to_num()), real_frames(x)))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the squared error of real frames, with ``reconstruction`` and, if variational, ``divergence``.

        Noise, codes and dropped inputs are drawn in training mode only.
        """
        real, frames = real_frames(x), x.nan_to_num()
        shown = self._corruption(frames, generator) if self.training else frames
        h = self._read(self.embed(shown), real)
        written = self._write(self._code(h, generator), self.embed(frames), generator)  # (B, T, F)
        reconstruction = mean_over(_squared(written, frames), real)
        entries = real.sum().clamp_min(1) * x.shape[2] / len(x)
        return self._bottleneck.with_penalty(reconstruction, h, entries)

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the frames with their noise, and what the decoder writes from the code alone; NaN after each end."""
        with evaluating(self):
            shown = self._corruption(x, generator)
            written = self.decode(self.encode(shown), x.shape[1])
            return shown, written.masked_fill(~real_frames(x).unsqueeze(-1), float("nan"))

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each sequence's mean squared error (B,), the decoder told the true frames unless trained without."""
        with evaluating(self):
            frames = x.nan_to_num()
            written = self._write(self.encode(x), self.embed(frames), None)
            return mean_over(_squared(written, frames), real_frames(x), (1,))

    def _pick(self, outputs: Tensor) -> Tensor:
        return outputs


class TokenAutoencoder(_Recurrent):
    """Sequences of tokens, such as bytes of text, to one vector and back.

    Args:
        vocabulary: number V of token ids, the padding's among them.
        padding: the id that stands after the end of a sequence.
        sizes: the sizes and habits.
        bottleneck: what makes the code; ``None`` for the plain one.
        corruption: noise on the embedded tokens that the encoder reads in training; ``None`` for none.
    """

    input_kind: InputKind = "tokens"

    def __init__(
        self,
        vocabulary: int,
        padding: int,
        sizes: RecurrentSizes,
        *,
        bottleneck: Bottleneck | None = None,
        corruption: Corruption | None = None,
    ) -> None:
        super().__init__(sizes, bottleneck, corruption)
        self.padding = padding
        self.embed = nn.Embedding(vocabulary, sizes.hidden, padding_idx=padding)
        self.output = nn.Linear(sizes.hidden, vocabulary)

    def encode(self, x: Tensor) -> Tensor:
        """Turn sequences (B, T) of token ids, the padding's after each one's end, into codes (B, D)."""
        return self._bottleneck.code(self._read(self.embed(x), x != self.padding))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the loss, cross-entropy in nats per real token, and its terms.

        They are ``reconstruction``, ``token_accuracy`` in 0..1 (of the decoder that is told the true tokens before, if
        it is trained so) and, if variational, ``divergence``. Noise, codes and dropped inputs are drawn in training
        mode only.
        """
        real, embedded = x != self.padding, self.embed(x)
        h = self._read(self._corruption(embedded, generator) if self.training else embedded, real)
        states = self._states(self._code(h, generator), embedded, generator)  # (B, T, H)
        # Most of the work is the last layer over the vocabulary: none of it goes into padding.
        logits, tokens = self.output(states[real]).float(), x[real]  # (real steps, V), (real steps,)
        count = real.sum().clamp_min(1)
        reconstruction = functional.cross_entropy(logits, tokens, reduction="sum") / count
        loss, terms = self._bottleneck.with_penalty(reconstruction, h, count / len(x))
        return loss, {**terms, "token_accuracy": (self._pick(logits.detach()) == tokens).sum() / count}

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return the tokens, and those the decoder writes from the code alone; padding after each end."""
        with evaluating(self):
            written = self.decode(self.encode(x), x.shape[1])
            return x, written.masked_fill(x == self.padding, self.padding)

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each sequence's mean cross-entropy (B,), the decoder told the true tokens unless trained without."""
        with evaluating(self):
            logits = self._write(self.encode(x), self.embed(x), None).float()
            return mean_over(_cross_entropy(logits, x), x != self.padding, (1,))

    def _pick(self, outputs: Tensor) -> Tensor:
        return outputs.index_fill(-1, torch.tensor(self.padding, device=outputs.device), float("-inf")).argmax(-1)


def _squared(written: Tensor, frames: Tensor) -> Tensor:
    return (written.float() - frames).square().mean(2)  # (B, T)


def _cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")  # (B, T)
