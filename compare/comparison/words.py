"""How a tensor was found out, in words."""

from compare.trial import derived
from compare.trial.given import GIVEN

_INPUTS = {
    GIVEN: "the original input",
    derived.ROUNDED: "the rounded input",
    derived.BESIDE_KINKS: "the input moved next to kinks",
    derived.SATURATING: "the input pushed into saturation",
    derived.FAR_OUT: "the input pushed out to where the exponential overflows",
    derived.AWAKE: "the original input with other numbers for weights that are zero everywhere",
    derived.ODD_BATCH: "an odd number of samples",
    derived.ONE_SAMPLE: "a single sample",
    derived.MANY_SAMPLES: "a batch of 131 made from its samples",
    derived.OTHER_INDICES: "other indices",
    derived.WITHOUT_GRADIENT: "the original input without requires_grad",
    derived.FROZEN: "the original input with frozen weights",
    derived.EVALUATION: "the original input in evaluation mode",
    derived.TRAINING: "the original input in training mode",
}
#: The name of what a layer by itself gets in the end; see ``blame``.
_REAL = "received"


def on(kind: str) -> str:
    """A kind of input, to stand behind "on"."""
    return _INPUTS.get(kind, f"a resized input ({kind})")


def under(cotangent: str) -> str:
    """An incoming gradient, to stand behind "with"."""
    if cotangent == _REAL:
        return "the gradient that the reference's layer receives"
    return (
        "an incoming gradient of 1" if cotangent == "one" else f"the {cotangent} incoming gradient"
    )


def exposed(kind: str, cotangent: str) -> str:
    """Both: on what, and with what."""
    return f"on {on(kind)}, with {under(cotangent)}"


def size(max_abs: float | None, exact: bool) -> str:
    """The largest difference in a table: ±0 where only the sign of a zero differs."""
    if max_abs is None:
        return "–"
    if max_abs == 0:
        return "0" if exact else "±0"
    return f"{max_abs:.2e}"


#: What the columns of a table mean.
ULP = "ULP: how many floating-point numbers lie between the two values."
SIGN_OF_ZERO = "±0: the two differ only in the sign of zero."
