"""The transformer's block, as the vision transformer and GPT-2 have it: the norms come first.

Source: Vaswani et al., "Attention is all you need" (2017); Radford et al., "Language models are
unsupervised multitask learners" (2019).
"""

from typing import Any

from torch import Tensor, nn


class Block(nn.Module):
    """x ↦ x + attention(norm(x)), then x ↦ x + mlp(norm(x)), on (N, T, d).

    Args:
        d: numbers that describe a token.
        heads: of the attention, a divisor of ``d``.
        dropout: share of what each of the two sums adds that is dropped in training.
        gelu: the activation, a module.
        causal: whether a token sees those before it and itself alone.
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.
    """

    def __init__(
        self, d: int, heads: int, dropout: float, gelu: nn.Module, causal: bool, layers: Any
    ) -> None:
        super().__init__()
        self.norm1 = layers.LayerNorm(d)
        self.attention = Attention(d, heads, causal, layers)
        self.dropout1 = layers.Dropout(dropout)
        self.norm2 = layers.LayerNorm(d)
        self.mlp = nn.Sequential(
            layers.Linear(d, 4 * d), gelu, layers.Linear(4 * d, d), layers.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, d) → (N, T, d)."""
        x = x + self.dropout1(self.attention(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """Each token asks (q) and is answered by the values (v) of those whose keys (k) fit.

    softmax(q kᵀ/√(d/h)) v in each of the h heads, whose answers a Linear puts together.
    """

    def __init__(self, d: int, heads: int, causal: bool, layers: Any) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.attend = layers.functional.scaled_dot_product_attention
        self.qkv = layers.Linear(d, 3 * d)
        self.output = layers.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, d) → (N, T, d)."""
        answers = self.attend(*self.queries_keys_values(x), is_causal=self.causal)
        return self.output(answers.transpose(1, 2).flatten(2))

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, d) → three times (N, heads, T, d/heads)."""
        n, t, d = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return q, k, v
