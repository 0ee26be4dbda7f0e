import argparse
import itertools

import pytest
import torch

from compare.exercises.show import add_options, in_terminal, show, small
from compare.exercises.show.page import page
from compare.exercises.show.step_by_step import LOSSES, steps
from compare.exercises.show.three_decimals import shown
from tests import chromium


def options(*arguments):
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


def found(*arguments):
    network, x, y = small(options(*arguments))
    return network, x, y, {step.symbol: step for step in steps(network, x, y)}


@pytest.mark.parametrize(
    ("loss", "activation"), list(itertools.product(LOSSES, ("sigmoid", "relu", "gelu")))
)
def test_what_is_shown_is_what_autograd_finds(loss, activation):
    network, x, y, by_symbol = found(
        "--sizes=3,4,2", f"--loss={loss}", f"--activation={activation}"
    )
    for parameter in network.weights + network.biases:
        parameter.requires_grad_()
    network.forward(x)
    for z in network.z:
        z.retain_grad()
    network.loss_of(y).backward()
    for l, i in enumerate("¹²"):
        torch.testing.assert_close(by_symbol[f"δ{i}"].value, network.z[l].grad)
        torch.testing.assert_close(by_symbol[f"∂L/∂W{i}"].value, network.weights[l].grad)
        torch.testing.assert_close(by_symbol[f"∂L/∂b{i}"].value[0], network.biases[l].grad)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_matrices_of_an_equation_come_to_its_value(loss):
    _, _, _, by_symbol = found(f"--loss={loss}")

    def matrices(symbol):
        return [term[1] for term in by_symbol[symbol].terms if not isinstance(term, str)]

    x, W, b = matrices("z¹")
    torch.testing.assert_close(x @ W + b, by_symbol["z¹"].value)
    δ, W, slope = matrices("δ¹")
    torch.testing.assert_close((δ @ W) * slope, by_symbol["δ¹"].value)
    column, row = matrices("∂L/∂W¹")
    torch.testing.assert_close(column @ row, by_symbol["∂L/∂W¹"].value)
    ŷ, y, *slope = matrices("δ²")
    share = {"bce": 1 / 2, "mse": 2 / 2}.get(loss, 1)
    torch.testing.assert_close(share * (ŷ - y) * (slope[0] if slope else 1), by_symbol["δ²"].value)


def test_every_step_in_order():
    _, _, _, by_symbol = found("--sizes=2,3,3,1", "--loss=bce")
    assert " ".join(by_symbol) == (
        "z¹ a¹ z² a² z³ ŷ L δ³ ∂L/∂W³ ∂L/∂b³ δ² ∂L/∂W² ∂L/∂b² δ¹ ∂L/∂W¹ ∂L/∂b¹"
    )


def test_numbers():
    assert [shown(v) for v in (-0.5, 0.61234, 2.0, -0.0001, 100.0)] == (
        ["−0.5", "0.612", "2", "0", "100"]
    )


def test_eighty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert show(options("--sizes=8,8,8"))
    printed = capsys.readouterr().out
    pictures = [line for line in printed.splitlines() if line[:1] in "⎡⎢⎣[│┃→←·"]
    assert max(map(len, pictures)) <= 80
    assert "\x1b" not in printed


@pytest.mark.parametrize("text", ["3", "3,0", "3,9", "a"])
def test_sizes_that_nobody_reads(text, capsys):
    with pytest.raises(SystemExit, match="2"):
        options(f"--sizes={text}")
    assert "expected" in capsys.readouterr().err


def test_signs_stand_with_what_follows(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    network, x, y = small(options())
    in_terminal.show(in_terminal.console.stdout(), network, steps(network, x, y))
    assert not any(line.endswith(" =") for line in capsys.readouterr().out.splitlines())


@pytest.mark.browser
def test_page_by_keyboard(tmp_path):
    network, x, y = small(options())
    file = tmp_path / "steps.html"
    file.write_text(page(network, steps(network, x, y)), encoding="utf-8")
    with chromium.opened(file, width=390, reduced_motion="reduce") as (view, troubles):
        heading = view.locator(".step.shown h2")
        assert heading.inner_text() == "z¹ = x W¹ᵀ + b¹"
        assert view.locator(".step:visible").count() == 1
        for key, title in (
            ("ArrowRight", "a¹ = σ(z¹)"),
            ("End", "∂L/∂b¹ = δ¹"),
            ("ArrowLeft", "∂L/∂W¹ = δ¹ᵀ x"),
            ("Home", "z¹ = x W¹ᵀ + b¹"),
        ):
            view.keyboard.press(key)
            assert heading.inner_text() == title
        assert view.evaluate("document.documentElement.scrollWidth") == 390
        weight = view.locator(".step.shown .weight.forward").first
        assert weight.evaluate("e => getComputedStyle(e).animationName") == "none"
        view.keyboard.press("Space")
        assert view.locator("#play").get_attribute("aria-pressed") == "true"
        view.keyboard.press("Tab")
        assert view.evaluate("document.activeElement.tagName") == "BUTTON"
        view.emulate_media(reduced_motion="no-preference")
        assert weight.evaluate("e => getComputedStyle(e).animationName") == "flow"
    assert troubles == []
