"""How a tensor was found out, in words."""

from compare.trial import derived
from compare.trial.given import GIVEN

_INPUTS = {
    GIVEN: "the input as given",
    derived.ROUNDED: "the input rounded",
    derived.BESIDE_KINKS: "the input moved beside kinks",
    derived.SATURATING: "the input pushed into saturation",
    derived.FAR_OUT: "the input pushed out to where the exponential overflows",
    derived.AWAKE: "the input as given, with other numbers for weights that are zero all over",
    derived.ODD_BATCH: "an odd number of its samples",
    derived.ONE_SAMPLE: "one of its samples",
    derived.MANY_SAMPLES: "131 samples made from its own",
    derived.OTHER_INDICES: "other indices",
    derived.WITHOUT_GRADIENT: "the input as given, which needs no gradient",
    derived.FROZEN: "the input as given, with weights that need no gradient",
    derived.EVALUATION: "the input as given, in evaluation mode",
    derived.TRAINING: "the input as given, in training mode",
}
#: The name of what a layer by itself gets in the end; see ``blame``.
_REAL = "received"


def on(kind: str) -> str:
    """A kind of input, to stand behind "on"."""
    return _INPUTS.get(kind, f"the input resized ({kind})")


def under(cotangent: str) -> str:
    """An incoming gradient, to stand behind "with"."""
    if cotangent == _REAL:
        return "the gradient that the reference's layer receives"
    return "the incoming gradient 1" if cotangent == "one" else f"the {cotangent} incoming gradient"


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
ULP = "ULP counts the floating-point numbers from one value to the other."
SIGN_OF_ZERO = "±0: the two differ only in the sign of zero."
