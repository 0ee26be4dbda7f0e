"""From two models to a verdict for each layer of the manual one."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from torch import Tensor, nn

from compare.blame.alignment import Aligned, Alignment
from compare.blame.finding import CLEAN, INHERITED, ORIGINATES, SURROGATE, Fault, JudgedLayer
from compare.blame.judged_piece import IF_INTENDED, judge_piece
from compare.blame.piece import Piece
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial.case import Case
from compare.trial.given import GIVEN, Given, map_tensors
from compare.trial.key import LOSS, Kind
from compare.trial.pairing import Pairing
from compare.trial.randomness import undisturbed
from compare.trial.recorder import Call, class_name, is_layer, layers_in
from compare.trial.sides import Sides
from compare.trial.trial import pairs
from compare.trial.watch import Item
from compare.verdict.judge import BUG, Row
from compare.verdict.judging import Results, same_place
from compare.verdict.own_forward import contradictions

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Whole:
    """Both models run as a whole: what blame starts from."""

    sides: Sides
    given: Given
    results: Results

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return all(row.passed for _, rows in self.results for row in rows)


def blame(
    whole: Whole,
    seed: int = 0,
    *,
    strict: bool = False,
    surrogates: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> list[JudgedLayer]:
    """A verdict for every layer, in the order in which manual runs them; the loss comes last.

    A layer is a module without children, or with parameters of its own. A module around layers is
    listed only where its own code is at fault. A model without layers is one layer itself.

    Args:
        whole: The two models, on what they were given.
        seed: Of the inputs and incoming gradients.
        strict: Whether another subgradient than the reference's is wrong.
        surrogates: Names of layers whose backward is another one on purpose: told, not accused.
        progress: Called with the label of each layer before it is judged.
    """
    found = _Blame(whole, seed, strict, progress).layers()
    return [_declared(layer) if {*layer.names} & {*surrogates} else layer for layer in found]


def _declared(layer: JudgedLayer) -> JudgedLayer:
    said = "; ".join(f"{f.gradient}: {f.diagnosis.sentence}" for f in layer.faults)
    remark = said.replace(IF_INTENDED, "")
    return replace(layer, verdict=SURROGATE, faults=(), rows=(), remark=remark)


class _Blame:
    def __init__(self, whole: Whole, seed: int, strict: bool, progress: Progress) -> None:
        self.whole, self.seed, self.strict, self.progress = whole, seed, strict, progress
        self.sides, self.fed_in = whole.sides, whole.results[0][0].fed_in
        self.manual, self.reference = whole.sides.manual.model, whole.sides.reference.model
        self.theirs = whole.sides.reference.calls(whole.given, self.fed_in)
        self.ours: list[Call] = []
        self.alignment: Alignment | None = None
        if isinstance(self.reference, nn.Module) and isinstance(self.manual, nn.Module):
            try:
                self.ours = whole.sides.manual.calls(whole.given, None)
            except Exception:  # manual raised; that the layers of one name are one must do
                self.ours = self._as_the_reference_runs()
            self.alignment = Alignment(whole.sides, whole.given, self.ours, self.theirs)

    def layers(self) -> list[JudgedLayer]:
        aligned = list(self.alignment.layers()) if self.alignment else []
        found = [self._among(a, self._judged(a.names, a.twins, a.piece)) for a in aligned]
        if not found:
            found = [self._judged(("",), ("",), self._root())]
        if self.sides.reference.loss is not None:
            found.append(self._judged((LOSS,), (LOSS,), self._loss()))
        found = [self._by_elimination(self._seen(layer)) for layer in found]
        if not self.whole.passed and aligned and not is_layer(self.manual):
            found = self._with_glue(aligned, found)
        if any(layer.verdict == ORIGINATES for layer in found):
            disturbed = self._disturbed()
            found = [
                replace(layer, verdict=INHERITED)
                if layer.verdict == CLEAN and disturbed & set(layer.names)
                else layer
                for layer in found
            ]
        return found

    def _judged(self, names: Sequence[str], twins: Sequence[str], piece: Piece) -> JudgedLayer:
        self.progress(piece.label)
        judged = judge_piece(piece, self.seed, self.strict)
        return JudgedLayer(
            tuple(names),
            piece.label,
            ", ".join(twins),
            ORIGINATES if judged.faults else CLEAN,
            tuple(judged.faults.values()),
            tuple(judged.rows.values()),
            judged.remark,
            piece if judged.faults else None,
        )

    def _seen(self, layer: JudgedLayer) -> JudgedLayer:
        """With a remark where it has no δ: as in checkpointing, it runs where none is recorded."""
        hidden = {call.module for call in self.ours if call.hidden}
        if layer.remark or hidden.isdisjoint(layer.names):
            return layer
        remark = "not visible: it runs without recording a gradient"
        return replace(layer, remark=remark)

    def _among(self, aligned: Aligned, layer: JudgedLayer) -> JudgedLayer:
        """Where several layers of manual are judged as one: the one that is to blame."""
        if len(aligned.names) == 1 or layer.verdict != ORIGINATES:
            return layer
        suspects: dict[str, list[Item]] = {}
        for call in self.ours:
            if call.module in aligned.names:
                case = Case(self.manual.get_submodule(call.module), by_layer=False)
                with suppress(Exception):  # one that does not run in float64 cannot be asked
                    if found := contradictions(case, call.given):
                        suspects.setdefault(call.module, found)
        if len(suspects) != 1:
            return replace(
                layer, remark=f"part of {layer.label}: the reference has them as one layer"
            )
        [(name, gradients)] = suspects.items()
        label = f"{name} {class_name(self.manual.get_submodule(name))}"
        said = Diagnosis(Mistake.UNKNOWN, "it is not the derivative of the layer's own forward")
        first = layer.faults[0]
        faults = tuple(
            Fault(item.name, said, first.row, first.input, first.seed) for item in gradients
        )
        return replace(layer, names=(name,), label=label, faults=faults)

    def _by_elimination(self, layer: JudgedLayer) -> JudgedLayer:
        """A layer that could not be run: at fault where it got the right and gave the wrong."""
        if layer.rows or layer.verdict == ORIGINATES:
            return layer
        names = set(layer.names)
        rows = [row for _, rows in self.whole.results for row in rows if row.verdict == BUG]
        given_wrong = any(
            r.key and r.key.kind is Kind.DELTA and r.key.name in names and not names & {*r.taken_by}
            for r in rows
        )
        given_away = {
            row.name: row
            for row in reversed(rows)
            if row.taken_by and names.issuperset(row.taken_by)
        }
        if given_wrong or not given_away:
            return layer
        sentence = f"it receives the correct gradient and passes on a wrong one; it {layer.remark}"
        faults = [
            Fault(
                name.removeprefix(f"{layer.name}."),
                Diagnosis(Mistake.UNKNOWN, sentence),
                row,
                row.input,
                self.seed,
            )
            for name, row in given_away.items()
        ]
        return replace(layer, verdict=ORIGINATES, faults=tuple(faults))

    def _root(self) -> Piece:
        """The model as a whole, without its loss."""
        manual, reference = (Case(model, by_layer=False) for model in (self.manual, self.reference))
        sides = Sides(manual, reference, self.sides.pairing)
        label = class_name(self.manual) or "the function"
        return Piece(label, sides, [(self.whole.given, self._gradient_of_output())])

    def _loss(self) -> Piece:
        losses = self.sides.manual.loss, self.sides.reference.loss
        manual, reference = (Case(loss, by_layer=False) for loss in losses)
        label = f"{LOSS} {class_name(losses[0])}".strip()
        return Piece(label, Sides(manual, reference, Pairing()), [(self._lost(), self.fed_in)])

    def _lost(self) -> Given:
        """What the reference's loss is given."""
        given, model = self.whole.given, self.sides.reference.copies()[0]
        inside = Case.given(given)
        with undisturbed(given.tensors):
            given.random_state.restore()
            output = model(*inside.args, **inside.kwargs)
        output = map_tensors(lambda x: x.detach().clone().requires_grad_(x.requires_grad), output)
        args = (output,) if given.targets is None else (output, given.targets)
        return Given(args, {}, None, given.random_state)

    def _gradient_of_output(self) -> Sequence[Tensor]:
        if self.sides.reference.loss is None:
            return self.fed_in
        items, _ = self._loss().sides.reference.gradients(self._lost(), self.fed_in)
        return [i.tensor for i in items if i.kind is Kind.INPUT and i.tensor is not None]

    def _with_glue(self, aligned: Sequence[Aligned], found: list[JudgedLayer]) -> list[JudgedLayer]:
        """The same with every module whose own code is at fault, inner ones first."""
        assert self.alignment
        verdicts = {layer.name: layer for layer in found}
        trusted = self.alignment.trusted
        in_one = {name for a in aligned if not a.one_to_one for name in a.names}
        modules = self.sides.pairing.modules
        called = {call.module for call in self.theirs}
        composites = [
            name
            for name in layers_in(self.ours)
            if not is_layer(self.manual.get_submodule(name)) and modules.get(name) in called
        ]
        for name in composites:
            inside = f"{name}." if name else ""
            faulty = [n for n in in_one if n.startswith(inside) and n in verdicts]
            if any(verdicts[n].verdict == ORIGINATES for n in faulty):
                continue  # what is left wrong here may be theirs
            layer = self._judged((name,), (modules[name],), self._own_code(name))
            if layer.verdict == ORIGINATES:
                faults = _own(layer)
                label = f"{layer.label}, outside its layers"
                found.append(replace(layer, faults=faults, label=label))
                for covered in [n for n in trusted if n.startswith(inside)]:
                    del trusted[covered]
                trusted[name] = modules[name]
        return found

    def _own_code(self, name: str) -> Piece:
        assert self.alignment
        piece = self.alignment.alone(name, self.sides.pairing.modules[name])
        # The layers have been asked on derived inputs. Where the whole is wrong as it was given, a
        # model as large as this need not be.
        as_given = [rows for trial, rows in self.whole.results if trial.given.kind == GIVEN]
        return replace(piece, derive=all(row.passed for rows in as_given for row in rows))

    def _disturbed(self) -> set[str]:
        """The layers that were given, or got back, something else than the reference's."""
        disturbed: set[str] = set()
        for trial, rows in self.whole.results:
            wrong = {row.key for row in rows if not row.passed}
            if trial.raised:
                disturbed.update(call.module for call in self.ours)
            for found, expected in pairs(trial, self.sides.pairing):
                if found.kind is Kind.DELTA:
                    there = same_place(found, expected, trial)
                    if found.key in wrong or not there:
                        disturbed.add(found.key.layer)
                elif found.key in wrong and found.kind is Kind.PARAMETER:
                    disturbed.add(found.key.layer)
        return disturbed

    def _as_the_reference_runs(self) -> list[Call]:
        named = {twin: name for name, twin in self.sides.pairing.modules.items()}
        return [replace(c, module=named[c.module]) for c in self.theirs if c.module in named]


def _own(layer: JudgedLayer) -> tuple[Fault, ...]:
    """Of a module's own code the faults that are not passed on by the layers inside it."""
    own = [fault for fault in layer.faults if "." not in fault.gradient]
    return tuple(own) or layer.faults[:1]


def unexplained(results: Results, layers: Sequence[JudgedLayer], seed: int) -> list[JudgedLayer]:
    """The layers, and the model itself where something is wrong that none of them accounts for."""
    wrong: dict[str, Row] = {}
    for row in (row for _, rows in results for row in rows if row.verdict == BUG):
        wrong.setdefault(row.name, row)
    if not wrong:
        return list(layers)
    sentence = (
        "no single layer is wrong; look for state that one call leaves behind for the next, and "
        "for weights or activations that are changed in place"
    )
    faults = tuple(
        Fault(name, Diagnosis(Mistake.UNKNOWN, sentence), row, row.input, seed)
        for name, row in list(wrong.items())[:1]
    )
    known = [layer for layer in layers if layer.name]
    return [*known, JudgedLayer(("",), "the model as a whole", "", ORIGINATES, faults)]
