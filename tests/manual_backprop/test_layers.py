import pytest

from manual_backprop import functional
from tests.manual_backprop.cases import CASES
from tests.manual_backprop.checks import CHECKS


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_layer(check, case):
    check(case)


def test_every_function_has_a_case():
    assert set(functional.__all__) <= {case.name for case in CASES}
