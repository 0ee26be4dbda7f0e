"""System 9 once more: shapes of a full batch, one-hot targets, loss, accuracy and the fit.

Shapes are those of one full batch of 42,000 images in float32, random ones: only their number
matters. Fitting is shown on scikit-learn's digits, which are always there.
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import one_hot

from compare.notes.by_autograd import float64
from compare.notes.claim import Claims, agrees, equal, equations, fact, misprint, unreadable
from manual_backprop import Network, functional


# fmt: off
def claims() -> Claims:
    """Note 001, lines 24 to 97, 165 to 192, and 204 to 226."""
    n, g = 42_000, torch.Generator().manual_seed(17)
    inputs_list, labels = torch.rand(n, 784, generator=g), torch.randint(10, (n,), generator=g)
    targets_list = one_hot(labels, 10).float()
    network = Network((784, 160, 10), generator=g, dtype=torch.float32)
    network.forward(inputs_list)
    dw_in, dw_ho = network.backward(targets_list).weights
    x0, a1, a2 = (a.T for a in network.a)
    z1, z2 = (z.T for z in network.z)
    (w_in, w_ho), (b_in, b_ho) = network.weights, (b.unsqueeze(1) for b in network.biases)
    b_wide = b_in.expand_as(z1)
    for at, says, printed, value, code in (
        ("001:24", "shape of inputs_list", (42000, 784), inputs_list, Network.forward),
        ("001:26", "shape of targets_list", (42000, 10), targets_list, Network.backward),
        ("001:69", "shape of w_in", (160, 784), w_in, Network.forward),
        ("001:74", "shape of b_in", (160, 1), b_in, Network.forward),
        ("001:78", "x₀ = inputs_listᵀ", (784, 42000), x0, Network.forward),
        ("001:90", "b_in is broadcast to", (160, 42000), b_wide, Network.forward),
        ("001:92", "shape of z₁", (160, 42000), z1, Network.forward),
        ("001:94", "shape of a₁", (160, 42000), a1, Network.forward),
        ("001:96", "shape of w_ho", (10, 160), w_ho, Network.forward),
        ("001:96", "shape of b_ho", (10, 1), b_ho, Network.forward),
        ("001:97", "shape of a₂", (10, 42000), a2, Network.forward),
        ("001:165", "shape of ŷ − y", (10, 42000), z2, Network.backward),
        ("001:165", "shape of a₁ᵀ", (42000, 160), a1.T, Network.backward),
        ("001:165", "shape of dL/dw_ho", (10, 160), dw_ho, Network.backward),
        ("001:176", "shape of dL/dw_in", (160, 784), dw_in, Network.backward),
        ("001:188", "shape of X_train", (42000, 784), inputs_list, Network.fit),
        ("001:190", "shape of y_train", (42000, 10), targets_list, Network.fit),
    ):
        shape = tuple(value.shape)
        yield agrees(at, says, str(printed), fact(shape == printed, str(shape)), code)
    yield from _labels(features=len(x0))
    yield from _loss_and_accuracy(network, inputs_list, labels, targets_list)
    yield from _fit()


def _labels(features: int) -> Claims:
    """One-hot labels, and which of the validation set's two tensors they are."""
    named_data, named_labels = torch.empty(12_000, 10), torch.empty(12_000, 784)
    yield agrees("001:45",
        "the row 0 0 1 under 0 1 2: the first image has label 2 (the rows below it are cut off)",
        "2",
        fact(torch.tensor([0.0, 0.0, 1.0]).argmax() == 2, "argmax is 2, and one-hot of 2 is 0 0 1"),
        Network.accuracy)
    yield misprint("001:192", "names of the validation set",
        "validation_labels (12,000, 784), valid_data (12,000, 10)",
        fact(named_data.shape[1] == features, "forward(valid_data) would need 784 columns, has 10"),
        "data (12,000, 784), labels (12,000, 10)",
        fact(named_labels.shape[1] == features, "fits forward, as X_val and y_val say"),
        Network.fit)


def _loss_and_accuracy(
    network: Network, inputs_list: Tensor, labels: Tensor, targets_list: Tensor
) -> Claims:
    """As the note's code has them, after the network's forward pass."""
    tr_p, tr_a = network.a[2].T.double(), targets_list.T.double()
    mean = -(tr_a * tr_p.log()).sum(0).mean()
    loss = functional.nll_loss(tr_p.T.log(), labels)
    share = (tr_p.T.argmax(1) == labels).double().mean()
    yield from equations(functional.nll_loss,
        ("001:204", "training loss, tr_a = targets_list.T", "np.mean(CEL(tr_a, tr_p))", mean, loss),
        ("001:210", "validation loss, v_a = val_label.T", "np.mean(CEL(v_a, v_p))", mean, loss))
    yield agrees("001:224", "predicted classes, tr_pred = forward(X_train).T",
        "np.argmax(tr_pred, axis=1)",
        equal(share, float64(network.accuracy(inputs_list, labels))), Network.accuracy)
    yield unreadable("001:226", "true classes", "tr_a = np.argmax(tr_a, axis=1)",
        "which tr_a: the line that defines it is crossed out, that of line 206 is 10 × n; "
        "targets_list, n × 10",
        equal(targets_list.argmax(1), labels), Network.accuracy)


def _fit() -> Claims:
    """The note's network, for 8 × 8 images, with its momentum: the four curves."""
    images, digits = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(digits)
    for batches, size, epochs in (("full batch", "full", 60), ("mini-batches of 32", 32, 5)):
        g = torch.Generator().manual_seed(18)
        network = Network((64, 160, 10), generator=g, dtype=torch.float32)
        loss, accuracy, val_loss, val_accuracy = network.fit(x[:1400], y[:1400],
            validation=(x[1400:], y[1400:]), epochs=epochs, batch_size=size,
            lr=1.0, momentum=0.9, momentum_form="ema", generator=g)
        yield agrees("001:183", f"fit by {batches}: loss and accuracy, training and validation",
            "(in words)",
            fact(loss[-1] < loss[0] and val_loss[-1] < val_loss[0] and val_accuracy[-1] > 0.85,
                 f"digits: loss {loss[-1]:.2f} and {val_loss[-1]:.2f}, "
                 f"accuracy {accuracy[-1]:.1%} and {val_accuracy[-1]:.1%}"), Network.fit)
