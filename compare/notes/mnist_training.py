"""System 9 once more: shapes of a full batch, one-hot targets, loss, accuracy and the fit.

Shapes are those of one full batch of 42,000 images in float32, random ones: only their number
matters. Fitting is shown on scikit-learn's digits, which are always there.
"""

from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from compare.notes.feedforward import FORWARD
from compare.notes.row import Row, agrees, equal, fact, misprint, unreadable
from manual_backprop import functional
from manual_backprop.network import Curves, Network

BACKWARD = "manual_backprop.Network.backward"
FIT = "manual_backprop.Network.fit"
ACCURACY = "manual_backprop.Network.accuracy"


def rows() -> Iterator[Row]:
    """Shapes first, then training."""
    yield from _shapes()
    yield from _curves()


def _shapes() -> Iterator[Row]:
    n = 42_000
    g = torch.Generator().manual_seed(17)
    inputs_list, labels = torch.rand(n, 784, generator=g), torch.randint(10, (n,), generator=g)
    targets_list = F.one_hot(labels, 10).float()
    network = Network((784, 160, 10), generator=g, dtype=torch.float32)
    y_hat = network.forward(inputs_list)
    grads = network.backward(targets_list)
    x0, a1, a2 = (a.T for a in network.a)
    z1, z2 = (z.T for z in network.z)
    (w_in, w_ho), (b_in, b_ho) = network.weights, (b.unsqueeze(1) for b in network.biases)
    for line, claim, printed, got, code in (
        (24, "shape of inputs_list", (42000, 784), inputs_list, FORWARD),
        (26, "shape of targets_list", (42000, 10), targets_list, BACKWARD),
        (69, "shape of w_in", (160, 784), w_in, FORWARD),
        (74, "shape of b_in", (160, 1), b_in, FORWARD),
        (78, "x₀ = inputs_listᵀ", (784, 42000), x0, FORWARD),
        (90, "b_in is broadcast to", (160, 42000), b_in.expand_as(z1), FORWARD),
        (92, "shape of z₁", (160, 42000), z1, FORWARD),
        (94, "shape of a₁", (160, 42000), a1, FORWARD),
        (96, "shape of w_ho", (10, 160), w_ho, FORWARD),
        (96, "shape of b_ho", (10, 1), b_ho, FORWARD),
        (97, "shape of a₂", (10, 42000), a2, FORWARD),
        (165, "shape of ŷ − y", (10, 42000), z2, BACKWARD),
        (165, "shape of a₁ᵀ", (42000, 160), a1.T, BACKWARD),
        (165, "shape of dL/dw_ho", (10, 160), grads.weights[1], BACKWARD),
        (176, "shape of dL/dw_in", (160, 784), grads.weights[0], BACKWARD),
        (188, "shape of X_train", (42000, 784), inputs_list, FIT),
        (190, "shape of y_train", (42000, 10), targets_list, FIT),
    ):
        shown = "({}, {})".format(*got.shape)
        check = fact(tuple(got.shape) == printed, shown)
        yield agrees(f"001:{line}", claim, "({}, {})".format(*printed), check, code)
    example_row = torch.tensor([[0.0, 0.0, 1.0]])
    yield agrees(
        "001:45",
        "the row 0 0 1 under 0 1 2: the first image has label 2 (the rows below it are cut off)",
        "2",
        fact(example_row.argmax(1).item() == 2, "argmax is 2, and one-hot of 2 is 0 0 1"),
        ACCURACY,
    )
    validation = torch.empty(12_000, 784), torch.empty(12_000, 10)
    yield misprint(
        "001:192",
        "names of the validation set",
        "validation_labels (12,000, 784), valid_data (12,000, 10)",
        fact(
            validation[1].shape[1] == len(x0), "forward(valid_data) would need 784 columns, has 10"
        ),
        "data (12,000, 784), labels (12,000, 10)",
        fact(validation[0].shape[1] == len(x0), "fits forward, as X_val and y_val say"),
        FIT,
    )
    yield from _measures(y_hat, labels, targets_list)


def _measures(y_hat: Tensor, labels: Tensor, targets_list: Tensor) -> Iterator[Row]:
    """Loss and accuracy as the note's code has them; samples in columns."""
    tr_p, tr_a = y_hat.T.double(), targets_list.T.double()
    loss = -(tr_a * tr_p.log()).sum(0).mean()
    truth = functional.nll_loss(tr_p.T.log(), labels)
    for line, claim, printed in (
        (204, "training loss, tr_a = targets_list.T", "np.mean(CEL(tr_a, tr_p))"),
        (210, "validation loss, v_a = val_label.T", "np.mean(CEL(v_a, v_p))"),
    ):
        yield agrees(
            f"001:{line}", claim, printed, equal(loss, truth), "manual_backprop.Network.loss_value"
        )
    predictions = tr_p.T.argmax(1)
    yield agrees(
        "001:224",
        "predicted classes, tr_pred = forward(X_train).T",
        "np.argmax(tr_pred, axis=1)",
        equal(predictions, y_hat.argmax(1)),
        ACCURACY,
    )
    yield unreadable(
        "001:226",
        "true classes",
        "tr_a = np.argmax(tr_a, axis=1)",
        "which tr_a: the line that defines it is crossed out, that of line 206 is 10 × n; "
        "targets_list, n × 10",
        ACCURACY,
        equal(targets_list.argmax(1), labels),
    )


def train_digits(batch_size: int | str, epochs: int, lr: float) -> Curves:
    """The note's network, for 8 × 8 images, with its momentum: the four curves."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    g = torch.Generator().manual_seed(18)
    network = Network((64, 160, 10), generator=g, dtype=torch.float32)
    return network.fit(
        x[:1400],
        y[:1400],
        validation=(x[1400:], y[1400:]),
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        momentum=0.9,
        momentum_form="ema",
        generator=g,
    )


def _curves() -> Iterator[Row]:
    """Fit: training and validation, loss and accuracy."""
    for claim, curves in (
        ("full batch", train_digits("full", epochs=60, lr=1.0)),
        ("mini-batches of 32", train_digits(32, epochs=5, lr=1.0)),
    ):
        loss, accuracy = curves.training_loss, curves.training_accuracy
        val_loss, val_accuracy = curves.validation_loss, curves.validation_accuracy
        yield agrees(
            "001:183",
            f"fit by {claim}: loss and accuracy, training and validation",
            "(in words)",
            fact(
                loss[-1] < loss[0] and val_loss[-1] < val_loss[0] and val_accuracy[-1] > 0.85,
                f"digits: loss {loss[-1]:.2f} and {val_loss[-1]:.2f}, "
                f"accuracy {accuracy[-1]:.1%} and {val_accuracy[-1]:.1%}",
            ),
            FIT,
        )
