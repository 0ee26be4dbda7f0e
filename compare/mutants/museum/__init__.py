"""Wrong backwards that public projects really shipped and then mended, each with its source.

Nothing of theirs is here: each is their mistake, made again in a few lines of ours, beside what is
right. A family is a file with a list ``EXHIBITS``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compare.mutants.museum.exhibit import Exhibit


def exhibits() -> list["Exhibit"]:
    """All of them, family by family."""
    from compare.mutants.museum import (  # they import torch, which takes seconds
        algebra,
        memory,
        nonlinear,
        norms,
        objectives,
        sequences,
        splatting,
    )

    families = objectives, nonlinear, norms, sequences, algebra, splatting, memory
    return [exhibit for family in families for exhibit in family.EXHIBITS]
