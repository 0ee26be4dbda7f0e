"""Bugs of three dimensions are found where two would not show them."""

import pytest

from compare import mutants
from compare.catalogue.volumes import SPECIMENS

NAMED = {specimen.name: specimen for specimen in SPECIMENS}


@pytest.fixture(autouse=True)
def without_the_rules_of_others(monkeypatch):
    monkeypatch.setattr("compare.mutants.rules.verdicts", lambda *_: {})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Conv3d: kernel not turned over in depth", "weight flipped in dim 2 alone"),
        ("ConvTranspose3d: stride of the height", "40 of 60 elements are wrong"),
    ],
)
def test_what_is_said(name, said):
    """A dimension of size 1 is not where the error is."""
    outcome = mutants.examine(NAMED[name], 0.0)
    assert outcome.blamed
    assert said in outcome.sentences[0]


def test_a_convolution_by_convolutions_is_not_accused():
    assert mutants.examine(NAMED["Conv3d: by convolutions"]).passed
