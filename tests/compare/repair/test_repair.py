"""The change that makes a gradient right: found, verified on what it was not searched with."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from compare.diagnosis.mistake import Mistake
from compare.repair import patch
from tests.compare.repair import functions, slipped_layers

SECONDS = 60.0  # the machine may be busy; most are found within one


def faults(*arguments, **options):
    report = compare_gradients(*arguments, repair=SECONDS, **options)
    [layer] = report.originators
    return layer.faults


def test_a_divisor_too_many():
    [fault] = faults(functions.Linear(4, 3), nn.Linear(4, 3), torch.randn(5, 4))
    change = fault.repair
    assert change.old == "return g @ W, g.T @ x / len(x), g.sum(0)"
    assert change.new == "return g @ W, g.T @ x, g.sum(0)"
    assert change.trials > 5
    assert not change.only_these_sizes
    # What the hypothesis says of the batch, the change does not contradict.
    assert fault.diagnosis.mistake is Mistake.MEAN_FOR_SUM


def test_in_a_helper_through_a_decorator():
    [fault] = faults(functions.tanh, torch.tanh, torch.randn(5, 4))
    assert fault.repair.old == "return g * (1 + a * a)"
    assert fault.repair.new == "return g * (1 - a * a)"
    assert fault.diagnosis.sentence == "`+` instead of `-`"
    assert fault.diagnosis.mistake is Mistake.IN_THE_SOURCE


def test_the_users_function_stays_as_it_is():
    before = functions.slope.__code__
    faults(functions.tanh, torch.tanh, torch.randn(5, 4))
    assert functions.slope.__code__ is before
    assert "__hole__" not in vars(functions)


def test_none_where_there_is_no_source():
    [fault] = faults(functions.without_source(), torch.tanh, torch.randn(5, 4))
    assert fault.repair is None


def test_off():
    report = compare_gradients(functions.tanh, torch.tanh, torch.randn(5, 4), repair=0)
    assert all(f.repair is None for layer in report.layers for f in layer.faults)


@pytest.mark.parametrize(
    ("name", "place", "new", "sentence"),
    [
        (
            "group norm: weight without x_hat",
            "input 1",
            "return grad_x.reshape(n, c, s), (g * x_hat).sum((0, 2)), g.sum((0, 2))",
            "the factor `x_hat` is missing",
        ),
        (
            "batch norm: weight without g",
            "input 1",
            "return grad_x, (x_hat * g).sum(0), g.sum(0)",
            "it is the same whatever the incoming gradient is",
        ),
        (
            "layer norm: variance term scaled",
            "input 0",
            "return r * (d - d.mean(-1, keepdim=True) - x_hat * along), (g * x_hat).sum(0)",
            "the factor `2` should not be there",
        ),
    ],
)
def test_the_change_gives_the_name(name, place, new, sentence):
    function, reference, shapes, _ = slipped_layers.FORGOTTEN[name]
    [fault] = faults(function.apply, reference, *[torch.randn(shape) for shape in shapes])
    assert fault.gradient == place
    assert fault.repair.new == new
    assert fault.diagnosis.sentence == sentence


def test_two_wrong_gradients_each_by_itself():
    function, reference, shapes, _ = slipped_layers.FORGOTTEN["loss: N times N"]
    found = faults(function.apply, reference, *[torch.randn(shape) for shape in shapes])
    assert [f.gradient for f in found] == ["input 0", "input 1"]
    assert all("/ a.numel()" in f.repair.new for f in found)
    assert all("the square of the number of elements" in f.diagnosis.sentence for f in found)


def test_dropout_is_not_told_another_p():
    question = slipped_layers.Dropout(0.3), nn.Dropout(0.3)
    [fault] = faults(*[m.train() for m in question], torch.randn(9, 6))[:1]
    assert fault.repair.new == "return g * ctx.mask / (1 - ctx.p), None"
    assert "0.462" not in fault.diagnosis.sentence


class WithEqualSizes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k):
        ctx.save_for_backward(q, k)
        return q @ k.mT / q.shape[-1] ** 0.5

    @staticmethod
    def backward(ctx, g):
        q, k = ctx.saved_tensors
        return g @ k, g.mT @ q / q.shape[-1] ** 0.5


def test_sizes_that_are_equal_are_told_apart():
    found = faults(
        WithEqualSizes.apply,
        lambda q, k: q @ k.mT / q.shape[-1] ** 0.5,
        torch.randn(4, 4),
        torch.randn(4, 4),
    )
    [fault] = found
    assert fault.repair.new == "return g @ k / q.shape[-1] ** 0.5, g.mT @ q / q.shape[-1] ** 0.5"


class WritesAFile(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        with open(WritesAFile.path, "a") as file:
            file.write("ran\n")
        return -g


def test_what_writes_files_is_not_run_again(tmp_path):
    path = WritesAFile.path = tmp_path / "log"
    report = compare_gradients(WritesAFile.apply, torch.clone, torch.randn(3), repair=0)
    runs = len(path.read_text())
    path.write_text("")
    found = compare_gradients(WritesAFile.apply, torch.clone, torch.randn(3), repair=SECONDS)
    assert len(path.read_text()) == runs
    assert [f.repair for f in found.originators[0].faults] == [None]
    assert report.originators


def test_a_patch_that_applies(tmp_path, monkeypatch):
    import shutil
    import subprocess

    report = compare_gradients(
        functions.Linear(4, 3), nn.Linear(4, 3), torch.randn(5, 4), repair=SECONDS
    )
    text = patch.unified(report.layers)
    assert text.startswith("--- a/tests/compare/repair/functions.py\n")
    target = tmp_path / "tests/compare/repair/functions.py"
    target.parent.mkdir(parents=True)
    shutil.copy(functions.__file__, target)
    done = subprocess.run(["git", "apply", "-"], input=text, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert "return g @ W, g.T @ x, g.sum(0)" in target.read_text()


class BiasOfTheWrongAxis(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, b):
        return x + b

    @staticmethod
    def backward(ctx, g):
        return g, g.sum(1)


def test_a_sum_that_pytorch_would_do_is_not_left_out():
    [fault] = faults(BiasOfTheWrongAxis.apply, torch.add, torch.randn(4, 4), torch.randn(4))
    assert fault.repair.new == "return g, g.sum(0)"
    assert fault.diagnosis.sentence == "summed over dim 1 instead of dim 0"


class TwoSlips(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return g * s / (1 + x * (1 + s))


def test_two_slips():
    [fault] = faults(TwoSlips.apply, torch.nn.functional.silu, torch.randn(5, 4))
    assert fault.repair.new == "return g * s * (1 + x * (1 - s))"
    assert fault.diagnosis.sentence == "`/` instead of `*` and `+` instead of `-`"


class SavesTheWrongOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        a = x.exp() / 2
        b = x.exp() * 2
        ctx.save_for_backward(b)
        return a

    @staticmethod
    def backward(ctx, g):
        (a,) = ctx.saved_tensors
        return g * a.sqrt().square()


def test_what_is_saved_is_the_wrong_one():
    [fault] = faults(SavesTheWrongOne.apply, lambda x: x.exp() / 2, torch.randn(5, 4))
    assert fault.repair is not None
    assert fault.repair.new in ("ctx.save_for_backward(a)", "return g * a.sqrt().square() / 4")


class UnpackedInTheWrongOrder(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(y, x)
        return x * x * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return 2 * g * x * y, g * x * x


def test_what_is_unpacked_in_the_wrong_order():
    tensors = torch.randn(5, 4), torch.randn(5, 4)
    [fault] = faults(UnpackedInTheWrongOrder.apply, lambda x, y: x * x * y, *tensors)
    assert fault.repair.new == "y, x = ctx.saved_tensors"
    assert fault.diagnosis.sentence == "`x` and `y` are unpacked in the wrong order"


@pytest.mark.parametrize(
    ("function", "reference", "new"),
    [
        (functions.KeptFunction, lambda x: 3 * x.tanh(), "(1 - a * a)"),
        (functions.LoopFunction, lambda x: x**4, "return 4 * g"),
    ],
)
def test_what_it_keeps_is_put_back_and_loops_end(function, reference, new):
    report = compare_gradients(function.apply, reference, torch.randn(5, 4), repair=SECONDS)
    [fault] = report.originators[0].faults
    assert fault.repair is not None
    assert new in fault.repair.new


def test_what_is_no_tensor_raises():
    x = torch.randn(3)
    report = compare_gradients(functions.NoTensorFunction.apply, lambda x: 2 * x, x, repair=0)
    [fault] = report.originators[0].faults
    assert "expected Variable or None (got int)" in fault.diagnosis.sentence


@pytest.mark.parametrize(
    ("raw", "ends"),
    [
        (b"a\r\nb", ["\r\n", ""]),
        (b"a\nb\n", ["\n", "\n"]),
        (b"a\nb\r\n", ["\n", "\r\n"]),
        (b"a\x0c\r\nb\n", ["\r\n", "\n"]),
    ],
)
def test_a_patch_keeps_the_ends_of_the_lines(tmp_path, raw, ends):
    file = tmp_path / "f.py"
    file.write_bytes(raw)
    source = raw.decode().replace("\r\n", "\n").removesuffix("\n") + "\n"
    before, after = patch._as_on_disk(source, source.replace("b", "c"), str(file))
    assert "".join(before) == raw.decode()
    assert "".join(after) == raw.decode().replace("b", "c")
    assert [line[len(line.rstrip("\r\n")) :] for line in after] == ends
