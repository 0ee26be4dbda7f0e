"""GPT-2's architecture, small, on bytes: each byte's place says what it expects to come next.

Source: Radford et al., "Language models are unsupervised multitask learners" (2019): norms in front
of attention and mlp, learned positions, an output that reads with the embedding's own weights, and
initial weights from N(0, 0.02²), those at the end of each sum smaller by √(number of sums).
"""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from torch_models.networks.transformer import Attention, Block

BYTES = 256
#: Bytes that it sees at once; d numbers describe each.
CONTEXT, D, HEADS, DEPTH = 128, 128, 4, 2
#: Nothing: no byte is seen twice.
DROPOUT = 0.0


def gpt(layers: Any = nn, attention: str = "whole", context: int = CONTEXT) -> nn.Module:
    """Bytes int64 (N, T) → logits (N, 256, T) of the byte after each, T ≤ context.

    Args:
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.
        attention: ``"blocks"`` for that of ``manual_backprop`` which keeps no matrix of T × T;
            ``torch.nn`` chooses by itself.
        context: bytes that it sees at once.
    """
    network = GPT(layers, context)
    if attention == "blocks" and layers is not nn:
        for module in network.modules():
            if isinstance(module, Attention):
                module.attend = layers.functional.attention_in_blocks
    return network


class GPT(nn.Module):
    """Embeddings of token and position, causal blocks, a norm, and the embedding read backwards."""

    def __init__(self, layers: Any, context: int = CONTEXT) -> None:
        super().__init__()
        self.tokens = layers.Embedding(BYTES, D)
        self.positions = layers.Embedding(context, D)
        self.blocks = nn.Sequential(
            *(
                Block(D, HEADS, DROPOUT, layers.GELU(approximate="tanh"), True, layers)
                for _ in range(DEPTH)
            )
        )
        self.norm = layers.LayerNorm(D)
        self.output = layers.Linear(D, BYTES, bias=False)
        self.output.weight = self.tokens.weight
        self._initialize()

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        for name, weight in self.blocks.named_parameters():
            if name.endswith(("attention.output.weight", "mlp.2.weight")):
                nn.init.normal_(weight, std=0.02 / (2 * DEPTH) ** 0.5)

    def forward(self, text: Tensor) -> Tensor:
        """(N, T) → (N, 256, T); the classes come second, as cross entropy has them."""
        places = torch.arange(text.shape[1], device=text.device)
        x = self.tokens(text) + self.positions(places)
        return self.output(self.norm(self.blocks(x))).transpose(1, 2)


@torch.no_grad()
def continued(
    network: nn.Module, text: bytes, length: int, seed: int = 0, temperature: float = 0.8
) -> bytes:
    """``text``, at least one byte, and what the network makes of it.

    Args:
        network: a ``gpt(…)``, in evaluation mode.
        text: what it is to go on from.
        length: of what it adds, in bytes.
        seed: of the bytes drawn.
        temperature: the lower, the more often the likeliest byte.
    """
    device = next(network.parameters()).device
    generator = Generator().manual_seed(seed)
    written = list(text)
    for _ in range(length):
        seen = torch.tensor([written[-CONTEXT:]], device=device)
        logits = network(seen)[0, :, -1].double().cpu()
        chances = (logits / temperature).softmax(0)
        written.append(int(chances.multinomial(1, generator=generator)))
    return bytes(written)
