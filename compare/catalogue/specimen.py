"""What is planted: wrong backwards, which must be found, and right ones written otherwise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from compare.catalogue.host import Host, LossHost
from compare.catalogue.rewritten import Formula
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question


@dataclass(frozen=True)
class Specimen:
    """A bug, where it is, and what it is; without a place it is right and must not be accused."""

    name: str
    build: Callable[[], Question]
    places: tuple[tuple[str, str], ...] = ()  # layer in manual, gradient of that layer
    mistakes: frozenset[Mistake] = frozenset()  # each of these names is true of it
    diagnosed: bool = True  # by one of them; else it is found, but of no kind that is known

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.places


@dataclass(frozen=True)
class Bug:
    """A wrong formula for one gradient of a layer, the others being right."""

    mistakes: Mistake | set[Mistake]  # what it may be called
    formula: Formula  # see ``rewritten`` for what it is given
    host: Host | LossHost | None = None  # where the layer's own does not show it
    gradient: str = "input"  # see ``rewritten``
    diagnosed: bool = True  # see ``Specimen``


def planted(
    title: str,
    host: Host | LossHost,
    wrong: Mapping[str, Bug] = MappingProxyType({}),
    right: Mapping[str, Formula] = MappingProxyType({}),
) -> list[Specimen]:
    """The bugs and the right formulas, by what is special about them, in the layer of the host."""
    found = []
    for name, b in wrong.items():
        home = b.host or host
        build, place = partial(home.plant, b.formula, b.gradient), (home.layer, b.gradient)
        names = {b.mistakes} if isinstance(b.mistakes, Mistake) else b.mistakes
        found.append(Specimen(f"{title}: {name}", build, (place,), frozenset(names), b.diagnosed))
    other = replace(host, seed=4)  # with weights that no bug was tried on
    for name, formula in right.items():
        found.append(Specimen(f"{title}: {name}", partial(other.plant, formula)))
    return found
