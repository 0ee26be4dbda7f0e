import pytest

from tests.manual_backprop.cases import CASES, SPECIAL
from tests.manual_backprop.checks import CHECKS, check_special_values


# Under vmap PyTorch runs its embedding_bag sample by sample, and says so.
@pytest.mark.filterwarnings("ignore:There is a performance drop .*embedding_bag:UserWarning")
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_layer(check, case):
    check(case)


@pytest.mark.parametrize("case", SPECIAL, ids=str)
def test_special_values(case):
    check_special_values(case)
