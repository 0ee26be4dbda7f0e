"""The equations of attention_in_blocks as kernels for a GPU, written in Triton.

PyTorch's operations write S, P and ∂L/∂S of each block to memory and read them again. A kernel
keeps them where it computes: a program holds one block, and goes through those it is paired with.

    attend                  a block of queries through the keys       o, λ
    differentiate_query     a block of queries through the keys       ∂L/∂q = ∂L/∂S k·scale
    differentiate_key       a block of keys through the queries       ∂L/∂k = (∂L/∂S)ᵀ q·scale
                                                                      ∂L/∂v = Pᵀ g

Each program alone writes its block: nothing is added up across programs, and two runs have the same
bits. Both backwards compute P and ∂L/∂S, which is what that costs.

Letters, equations and shapes are those of attention_in_blocks.py, but that T counts the keys. A
sequence is a tuple: where it starts in memory, and how far it is from there to the next batch n,
head h, place and feature (0 for what is shared). Blocks are padded to powers of two, with zeros.
Products are of the inputs' own type, and summed in float32.

Source: Dao 2023 (FlashAttention-2); Tillet, Kung, Cox 2019 (Triton).
"""

import triton
import triton.language as tl

#: Whether Triton runs its kernels on the CPU, in NumPy: TRITON_INTERPRET=1 when it was imported.
INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)


@triton.jit
def attend(
    q, k, v, M, o, λ, sizes, scale,
    CAUSAL: tl.constexpr, SIZE: tl.constexpr, FEATURES: tl.constexpr, VALUES: tl.constexpr,
    BY: tl.constexpr,
):  # fmt: skip
    """o = softmax(q kᵀ·scale + M) v, and λ = ln Σ e^S, of one block of queries."""
    L, T, E, V, heads = sizes
    block, n, h, sequence = this_program(L, heads, SIZE)
    rows = places(block * SIZE, SIZE)
    q_l = part(q, n, h, rows, L, E, FEATURES)
    m = tl.full([SIZE], float("-inf"), tl.float32)
    Z = tl.zeros([SIZE], tl.float32)
    u = tl.zeros([SIZE, VALUES], tl.float32)
    for start in range(0, tl.minimum(T, (block + 1) * SIZE) if CAUSAL else T, SIZE):
        columns = places(start, SIZE)
        k_s = part(k, n, h, columns, T, E, FEATURES)
        v_s = part(v, n, h, columns, T, V, VALUES)
        S = scores(q_l, k_s, M, n, h, rows, columns, L, T, scale, CAUSAL, BY)
        before = m
        m = tl.maximum(m, tl.max(S, 1))
        e, shrink = tl.exp(S - finite(m)[:, None]), tl.exp(before - finite(m))
        Z = shrink * Z + tl.sum(e, 1)  # Z′ = e^{m − m′} Z + Σ e^{S − m′}
        of_v = product(e.to(v_s.dtype), v_s, BY)
        u = shrink[:, None] * u + of_v  # u′ = e^{m − m′} u + Σ e^{S − m′} v
    Z = tl.where(Z == 0, 1, Z)  # where nothing was seen, u = 0 and m = −∞
    put(o, n, h, rows, L, V, VALUES, u / Z[:, None])  # o = u/Z
    tl.store(λ + sequence * L + rows, m + tl.log(Z), rows < L)  # λ = m + ln Z


@triton.jit
def differentiate_query(
    q, k, v, M, g, λ, D, grad_q, sizes, scale,
    CAUSAL: tl.constexpr, SIZE: tl.constexpr, FEATURES: tl.constexpr, VALUES: tl.constexpr,
    BY: tl.constexpr,
):  # fmt: skip
    """∂L/∂q of one block of queries."""
    L, T, E, V, heads = sizes
    block, n, h, sequence = this_program(L, heads, SIZE)
    rows = places(block * SIZE, SIZE)
    q_l, g_l, λ_l, D_l = of_queries(q, g, λ, D, n, h, sequence, rows, sizes, FEATURES, VALUES)
    of_q = tl.zeros([SIZE, FEATURES], tl.float32)
    for start in range(0, tl.minimum(T, (block + 1) * SIZE) if CAUSAL else T, SIZE):
        columns = places(start, SIZE)
        k_s = part(k, n, h, columns, T, E, FEATURES)
        v_s = part(v, n, h, columns, T, V, VALUES)
        S = scores(q_l, k_s, M, n, h, rows, columns, L, T, scale, CAUSAL, BY)
        _, grad_S = weights_and_gradient(S, v_s, g_l, λ_l, D_l, BY)
        of_q += product(grad_S.to(k_s.dtype), k_s, BY)
    put(grad_q, n, h, rows, L, E, FEATURES, of_q * scale)  # ∂L/∂q = ∂L/∂S k·scale


@triton.jit
def differentiate_key(
    q, k, v, M, g, λ, D, grad_k, grad_v, sizes, scale,
    CAUSAL: tl.constexpr, SIZE: tl.constexpr, FEATURES: tl.constexpr, VALUES: tl.constexpr,
    BY: tl.constexpr,
):  # fmt: skip
    """∂L/∂k and ∂L/∂v of one block of keys."""
    L, T, E, V, heads = sizes
    block, n, h, sequence = this_program(T, heads, SIZE)
    columns = places(block * SIZE, SIZE)
    k_s = part(k, n, h, columns, T, E, FEATURES)
    v_s = part(v, n, h, columns, T, V, VALUES)
    of_k = tl.zeros([SIZE, FEATURES], tl.float32)
    of_v = tl.zeros([SIZE, VALUES], tl.float32)
    for start in range(block * SIZE if CAUSAL else 0, L, SIZE):
        rows = places(start, SIZE)
        q_l, g_l, λ_l, D_l = of_queries(q, g, λ, D, n, h, sequence, rows, sizes, FEATURES, VALUES)
        S = scores(q_l, k_s, M, n, h, rows, columns, L, T, scale, CAUSAL, BY)
        P, grad_S = weights_and_gradient(S, v_s, g_l, λ_l, D_l, BY)
        of_v += product(tl.trans(P.to(g_l.dtype)), g_l, BY)
        of_k += product(tl.trans(grad_S.to(q_l.dtype)), q_l, BY)
    put(grad_k, n, h, columns, T, E, FEATURES, of_k * scale)  # ∂L/∂k = (∂L/∂S)ᵀ q·scale
    put(grad_v, n, h, columns, T, V, VALUES, of_v)  # ∂L/∂v = Pᵀ g


@triton.jit
def scores(q_l, k_s, M, n, h, rows, columns, L, T, scale, CAUSAL: tl.constexpr, BY: tl.constexpr):
    """S = q kᵀ·scale + M in a block; −∞ where a query does not see a key, or there is none."""
    S = product(q_l, tl.trans(k_s), BY) * scale
    sees = columns[None, :] < T
    if CAUSAL:
        sees = sees & (columns[None, :] <= rows[:, None])
    if M is not None:
        at, inside = addresses(M, n, h, rows, columns, L, T)
        M_ls = tl.load(at, inside, 0)
        if M_ls.dtype.is_floating():
            S += M_ls.to(tl.float32)
        else:
            sees = sees & (M_ls != 0)
    return tl.where(sees, S, float("-inf"))


@triton.jit
def weights_and_gradient(S, v_s, g_l, λ_l, D_l, BY: tl.constexpr):
    """P and ∂L/∂S of a block."""
    P = tl.exp(S - finite(λ_l)[:, None])  # P = e^{S − λ}
    grad_P = product(g_l, tl.trans(v_s), BY)  # ∂L/∂P = g vᵀ
    return P, P * (grad_P - D_l[:, None])  # ∂L/∂S = P ⊙ (∂L/∂P − D)


@triton.jit
def finite(t):
    """0 for −∞, which stands where nothing was seen: −∞ less 0 is still −∞, and e^{−∞} = 0."""
    return tl.where(t == float("-inf"), 0, t)


@triton.jit
def product(a, b, BY: tl.constexpr):
    """A b; of float32 with the precision that BY names."""
    if INTERPRETED:  # which multiplies the bits of bfloat16; in float32 the products are the same
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, input_precision=BY)


@triton.jit
def this_program(length, heads, SIZE: tl.constexpr):
    """The block of this program, its batch n and head h, and how many sequences come before."""
    blocks = tl.cdiv(length, SIZE)
    sequence = (tl.program_id(0) // blocks).to(tl.int64)
    return tl.program_id(0) % blocks, sequence // heads, sequence % heads, sequence


@triton.jit
def places(start, SIZE: tl.constexpr):
    """A block of places; in 64 bits, as their distance in memory may need them."""
    return (start + tl.arange(0, SIZE)).to(tl.int64)


@triton.jit
def addresses(of, n, h, rows, columns, n_rows, n_columns):
    """Where a block of a sequence lies in memory, and which of it exists."""
    start, next_n, next_h, next_row, next_column = of
    at = start + n * next_n + h * next_h
    at = at + rows[:, None] * next_row + columns[None, :] * next_column
    return at, (rows[:, None] < n_rows) & (columns[None, :] < n_columns)


@triton.jit
def part(of, n, h, rows, length, features, SIZE: tl.constexpr):
    """These places of a sequence; 0 where there are none."""
    at, inside = addresses(of, n, h, rows, tl.arange(0, SIZE), length, features)
    return tl.load(at, inside, 0)


@triton.jit
def put(of, n, h, rows, length, features, SIZE: tl.constexpr, numbers):
    """Write these places of a sequence."""
    at, inside = addresses(of, n, h, rows, tl.arange(0, SIZE), length, features)
    tl.store(at, numbers, inside)


@triton.jit
def of_queries(
    q, g, λ, D, n, h, sequence, rows, sizes, FEATURES: tl.constexpr, VALUES: tl.constexpr
):
    """What the backward knows of a block of queries."""
    L, _, E, V, _ = sizes
    q_l = part(q, n, h, rows, L, E, FEATURES)
    g_l = part(g, n, h, rows, L, V, VALUES).to(q_l.dtype)
    at, inside = sequence * L + rows, rows < L
    return q_l, g_l, tl.load(λ + at, inside, 0), tl.load(D + at, inside, 0)
