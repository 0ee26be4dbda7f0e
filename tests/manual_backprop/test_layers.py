"""Each layer stands every check in all its cases."""

from collections.abc import Sequence

import pytest

from tests.manual_backprop.cases import CASES, SPECIAL, Case
from tests.manual_backprop.checks import CHECKS, check_special_values
from tests.manual_backprop.every_case import check_compiled, check_each

LAYERS = list(dict.fromkeys(case.entry.name for case in CASES))
#: One of each room; the exhaustive tests compile every case of every layer.
FIRST = {case.entry.file.split("/")[1]: case.entry.name for case in reversed(CASES)}.values()


def of_layer(layer: str, among: Sequence[Case]) -> list[Case]:
    return [case for case in among if case.entry.name == layer]


def fullest(cases: Sequence[Case]) -> Case:
    """The one with the most options: to trace them all takes too long."""
    return max(cases, key=lambda case: len(case.given.options))


# Under vmap PyTorch runs its embedding_bag sample by sample, and says so.
@pytest.mark.filterwarnings("ignore:There is a performance drop .*embedding_bag:UserWarning")
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_layer(check, layer):
    check_each(check, of_layer(layer, CASES))


@pytest.mark.parametrize("layer", FIRST)
def test_compiled(layer):
    check_compiled([fullest(of_layer(layer, CASES))])


@pytest.mark.exhaustive
@pytest.mark.parametrize("layer", LAYERS)
def test_every_case_compiled(layer):
    check_compiled(of_layer(layer, CASES))


@pytest.mark.parametrize("layer", LAYERS)
def test_special_values(layer):
    check_each(check_special_values, of_layer(layer, SPECIAL))


def test_every_case_that_fails_is_told():
    def check_but_the_first(case):
        assert case is CASES[0]

    with pytest.raises(ExceptionGroup, match="2 of 3 cases") as caught:
        check_each(check_but_the_first, CASES[:3])
    notes = [error.__notes__ for error in caught.value.exceptions]
    assert notes == [[f"in {case}"] for case in CASES[1:3]]
