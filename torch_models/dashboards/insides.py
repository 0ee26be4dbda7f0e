"""What a network has inside that can be looked at, as pictures by name.

Filters and feature maps of convolutions, the maps of attention, the hidden state of a recurrent
layer, the weights of a perceptron. A picture is of the fixed batch's first samples.
"""

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn

from torch_models.classifier import Classifier
from torch_models.dashboards import pictures
from torch_models.dashboards.probe import outputs
from torch_models.dashboards.tiles import tiles
from torch_models.evaluating import evaluating
from torch_models.networks.transformer import Attention

Pictures = dict[str, Image.Image]
#: Images whose attention is drawn, and whose hidden states are.
ATTENDED, READ = 5, 6
#: Of a sequence of text, so that a byte can be seen.
BYTES = 48


def insides(classifier: Classifier, x: Tensor) -> Pictures:
    """The pictures that suit the network.

    Args:
        classifier: on the device of the samples.
        x: (m, …).
    """
    return SUITING[classifier.hparams["network"]](classifier, x)


def _perceptron(classifier: Classifier, x: Tensor) -> Pictures:
    first = next(layer for layer in classifier.network.modules() if isinstance(layer, nn.Linear))
    return {"weights of layer 1": pictures.first_layer(first.weight.detach())}


def _convolutions(classifier: Classifier, x: Tensor) -> Pictures:
    """The first one's filters, and what the first and the last make of one image."""
    modules = dict(classifier.network.named_modules())
    names = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    first = modules[names[0]]
    assert isinstance(first, nn.Conv2d)
    maps = outputs(classifier, x[:1], [names[0], names[-1]])
    found = {"filters of layer 1": tiles(_scaled(first.weight.detach().flatten(0, 1)))}
    for name in (names[0], names[-1]):
        found[f"feature maps of {name}"] = tiles(_scaled(maps[name][0]))
    return found


def _hidden_state(classifier: Classifier, x: Tensor) -> Pictures:
    """h of an LSTM, a row for each row that it has read."""
    return {"hidden state, row by row": tiles(outputs(classifier, x[:READ], ["lstm"])["lstm"])}


def _attention_to_patches(classifier: Classifier, x: Tensor) -> Pictures:
    """A row for each image: the image, and how much each head's queries look at each patch."""
    images = x[:ATTENDED].float().cpu().view(-1, 28, 28)
    found = {}
    for name, weights in attention(classifier, x[:ATTENDED]).items():
        n, heads, _, patches = weights.shape
        across = round(patches**0.5)
        looks = weights.mean(2).view(n, heads, across, across)
        looks = looks / looks.amax((2, 3), keepdim=True)
        side = 28 // across
        looks = looks.repeat_interleave(side, 2).repeat_interleave(side, 3)
        rows = torch.cat([-images[:, None], looks], 1)
        found[f"attention of {name}"] = tiles(rows.flatten(0, 1), columns=1 + heads)
    return found


def _attention_to_text(classifier: Classifier, x: Tensor) -> Pictures:
    """A tile for each head: its rows are the bytes that ask, its columns those they look at.

    Each row is divided by its largest weight: the more bytes there are, the smaller all weights.
    """
    seen = attention(classifier, x[:1, :BYTES])
    return {
        f"attention of {name}": tiles((weights / weights.amax(-1, keepdim=True))[0])
        for name, weights in seen.items()
    }


def attention(classifier: Classifier, x: Tensor) -> dict[str, Tensor]:
    """softmax(q kᵀ/√d), (m, heads, T, T), of each attention by its name, on the CPU."""
    found: dict[str, Tensor] = {}
    network = classifier.network

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(module, Attention)
            q, k, _ = (part.detach().float() for part in module.queries_keys_values(*inputs))
            scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
            if module.causal:
                scores += torch.full_like(scores, -torch.inf).triu(1)
            found[name] = scores.softmax(-1).cpu()

        return before

    modules = network.named_modules()
    handles = [
        module.register_forward_pre_hook(note(name))
        for name, module in modules
        if isinstance(module, Attention)
    ]
    try:
        with torch.no_grad(), evaluating(network):
            network.forward(classifier.as_input(x))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _scaled(values: Tensor) -> Tensor:
    """All on one scale, four standard deviations of them."""
    values = values.float()
    return values / (4 * values.std() + 1e-12)


SUITING: dict[str, Callable[[Classifier, Tensor], Pictures]] = {
    "mlp": _perceptron,
    "lenet": _convolutions,
    "resnet": _convolutions,
    "lstm": _hidden_state,
    "vit": _attention_to_patches,
    "gpt": _attention_to_text,
}
