"""What a network that reads text writes by itself."""

from torch import nn

from torch_models.datasets import Samples
from torch_models.evaluating import evaluating
from torch_models.networks.gpt import continued

#: Bytes that it is given to go on from, and that it adds.
GIVEN, WRITTEN = 32, 400


def sample_of_text(network: nn.Module, samples: Samples) -> str:
    """The beginning of the test text, and what the network takes to follow it."""
    given = bytes(samples.test[0][0, :GIVEN].tolist())
    with evaluating(network):
        text = continued(network, given, WRITTEN).decode(errors="replace")
    # What moves a terminal's cursor stays inside.
    return "".join(c if c.isprintable() or c == "\n" else "·" for c in text)
