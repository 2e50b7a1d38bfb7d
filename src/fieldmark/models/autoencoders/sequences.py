"""What sequences of different lengths need: padding that is marked in the batch itself, and GRUs blind to it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from fieldmark.errors import ConfigError


def pad_frames(sequences: Sequence[Tensor]) -> Tensor:
    """Put sequences (T_i, F) of frames into one batch (B, T, F), NaN after each one's end."""
    return pad_sequence(list(sequences), batch_first=True, padding_value=float("nan"))


def mark_padding(frames: Tensor, lengths: Tensor) -> Tensor:
    """Put NaN after the end of each sequence of frames (B, T, F), given the lengths (B,)."""
    beyond = torch.arange(frames.shape[1], device=frames.device) >= lengths.to(frames.device).unsqueeze(1)
    return frames.masked_fill(beyond.unsqueeze(-1), float("nan"))


def real_frames(frames: Tensor) -> Tensor:
    """Say which frames (B, T) of a batch (B, T, F) are no padding."""
    return ~frames[..., 0].isnan()


def mean_over(errors: Tensor, real: Tensor, dims: tuple[int, ...] = (0, 1)) -> Tensor:
    """Average errors (B, T) over real steps; 0 where there are none."""
    return (errors * real).sum(dims) / real.sum(dims).clamp_min(1)


class SequenceEncoder(nn.Module):
    """A GRU that reads a sequence both ways and keeps its two last states.

    Args:
        inputs: entries E of each step.
        hidden: entries H of a state.
        layers: layers of the GRU.
    """

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, layers, batch_first=True, bidirectional=True)

    def forward(self, steps: Tensor, real: Tensor) -> Tensor:
        """Turn steps (B, T, E), of which (B, T) are real and come first, into (B, 2·H)."""
        # A sequence without any step is read as one step of padding: a GRU can't read nothing.
        lengths = real.sum(1).clamp_min(1).cpu()
        with torch.autocast(steps.device.type, enabled=False):  # GRUs of the CPU take one precision only
            packed = pack_padded_sequence(steps.float(), lengths, batch_first=True, enforce_sorted=False)
            states: Tensor = self.gru(packed)[1]  # (layers · 2, B, H)
        return torch.cat([states[-2], states[-1]], 1)


class SequenceDecoder(nn.Module):
    """A GRU that writes a sequence from one code, which starts it and stands beside the input of every step.

    Args:
        inputs: entries E of the step before; 0 for a decoder that sees the code alone.
        code_dim: entries D of a code.
        hidden: entries H of a state.
        layers: layers of the GRU.
    """

    def __init__(self, inputs: int, code_dim: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.start = nn.Linear(code_dim, hidden * layers)
        self.gru = nn.GRU(inputs + code_dim, hidden, layers, batch_first=True)

    def first_state(self, z: Tensor) -> Tensor:
        """Turn codes (B, D) into states (layers, B, H)."""
        states: Tensor = self.start(z).float().tanh().view(len(z), self.gru.num_layers, self.gru.hidden_size)
        return states.transpose(0, 1).contiguous()

    def forward(self, before: Tensor, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Write T steps.

        Args:
            before: (B, T, E), what each step is told of the one before it.
            z: codes (B, D).
            state: (layers, B, H), the states before the first step.

        Returns:
            Outputs (B, T, H) and the states after the last step.
        """
        codes = z.unsqueeze(1).expand(-1, before.shape[1], -1)
        with torch.autocast(z.device.type, enabled=False):
            outputs, state = self.gru(torch.cat([before.float(), codes.float()], 2), state)
        return outputs, state


def check_share(share: float) -> float:
    """Return a share of inputs to drop.

    Raises:
        ConfigError: it isn't in 0..1.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"A share of {share} inputs can't be dropped.", "Give an input dropout in 0..1.")
    return share
