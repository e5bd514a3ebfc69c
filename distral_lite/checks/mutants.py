"""Wrong answers made of the right one: edits of the reference's source.

The planted mistakes of an exercise are edits of its text. Others are made from its
syntax tree by the operators of `operators.py`, one at a time and two together. A learner
whose answers equal those of a mutant on all inputs is told the mutant's sentence.
"""

import ast
import functools
import inspect
import itertools
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from distral_lite.checks.exercise import Exercise
from distral_lite.checks.operators import Edit, edits
from distral_lite.checks.trial import Outcome, call

PAIRS = 500  # of two edits at once are tried, the likeliest first


class Mutant:
    """A wrong answer.

    Attributes:
        sentence: what to say to who answers so.
        label: which edit it is, "old -> new".
        kind: "planted", "single" or "pair".
    """

    def __init__(
        self,
        make: Callable[[], Any],
        sentence: str,
        label: str,
        kind: str,
    ) -> None:
        """A mutant whose function `make` compiles when it is first called."""
        self._make, self.sentence, self.label = make, sentence, label
        self.kind = kind
        self._outcomes: dict[int, Outcome] = {}

    @functools.cached_property
    def function(self) -> Callable[..., Any]:
        """The wrong answer as a function."""
        return self._make()

    def outcome(self, inputs: list[dict[str, Any]], index: int) -> Outcome:
        """What it does with one of the exercise's inputs; tried once, then kept."""
        if index not in self._outcomes:
            outcome = call(self.function, inputs[index], ours=True)
            if outcome.error is not None:
                outcome = outcome._replace(error=outcome.error.with_traceback(None))
            self._outcomes[index] = outcome
        return self._outcomes[index]


def tree_of(reference: Callable[..., Any]) -> ast.FunctionDef | None:
    """The syntax tree of a function without docstring and annotations; None for others."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(reference))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    if ast.get_docstring(tree) is not None:
        del tree.body[0]
    tree.decorator_list, tree.returns = [], None
    for argument in tree.args.args:
        argument.annotation = None
    return ast.parse(ast.unparse(tree)).body[0]


@functools.cache
def source_of(reference: Callable[..., Any]) -> str:
    """The text that planted mistakes edit."""
    tree = tree_of(reference)
    return "" if tree is None else ast.unparse(tree)


def compiled(
    tree: ast.FunctionDef, reference: Callable[..., Any]
) -> Callable[..., Any]:
    """A function from its tree, with the names that the reference sees."""
    names: dict[str, Any] = {}
    module = ast.Module([tree], type_ignores=[])
    exec(compile(module, f"<a mutant of {tree.name}>", "exec"), names)
    return types.FunctionType(names[tree.name].__code__, reference.__globals__)


def edited(reference: Callable[..., Any], changes: tuple[str, ...]) -> ast.FunctionDef:
    """The reference's tree after edits of its text, `(old, new, old, new, ...)`.

    Raises:
        ValueError: a text to be replaced does not occur exactly once.
    """
    text = source_of(reference)
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        if text.count(old) != 1:
            raise ValueError(
                f"checks.mutants: {old!r} occurs {text.count(old)} times, wanted once, "
                f"in\n{text}"
            )
        text = text.replace(old, new)
    return ast.parse(text).body[0]


def _parents(tree: ast.FunctionDef) -> dict[int, ast.AST | None]:
    """The parent of every node, by the node's identity; kept with the tree."""
    if not hasattr(tree, "parents"):
        tree.parents = {id(tree): None}
        for node in ast.walk(tree):
            tree.parents |= {id(child): node for child in ast.iter_child_nodes(node)}
    return tree.parents


def replaced(tree: ast.FunctionDef, *together: Edit) -> ast.FunctionDef | None:
    """A tree with edits made, sharing what they leave alone.

    Returns:
        None where one edit removes the place of another.
    """
    changes = {id(old): new for edit in together for old, new in edit.changes}
    parents, above = _parents(tree), set()
    for edit in together:
        for node, _ in edit.changes:
            while node is not None and id(node) not in above:
                above.add(id(node))
                node = parents[id(node)]
    met: set[int] = set()

    def visit(node: ast.AST) -> ast.AST:
        if id(node) in parents and id(node) not in above:
            return node
        while id(node) in changes and id(node) not in met:
            met.add(id(node))
            node = changes[id(node)]
        fields, moved = {}, False
        for name, value in ast.iter_fields(node):
            new = value
            if isinstance(value, list):
                new = [visit(v) if isinstance(v, ast.AST) else v for v in value]
                moved = moved or any(
                    a is not b for a, b in zip(new, value, strict=True)
                )
            elif isinstance(value, ast.AST) and value._fields:
                new = visit(value)
                moved = moved or new is not value
            fields[name] = new
        return ast.copy_location(type(node)(**fields), node) if moved else node

    new = visit(tree)
    wanted = sum(len(edit.changes) for edit in together)
    return new if len(met) == len(changes) == wanted else None


@functools.cache
def planted(exercise: Exercise) -> tuple[Mutant, ...]:
    """The planted mistakes of an exercise."""
    found = []
    for *changes, sentence in exercise.mistakes:
        if callable(changes[0]):
            make, label = functools.partial(lambda f: f, changes[0]), "a function"
        else:
            make = functools.partial(_planted, exercise.reference, tuple(changes))
            label = " -> ".join(changes)
        found.append(Mutant(make, sentence, label, "planted"))
    return tuple(found)


def _planted(reference: Callable[..., Any], changes: tuple[str, ...]) -> Any:
    return compiled(edited(reference, changes), reference)


def _made(reference: Callable[..., Any], tree: ast.FunctionDef, *together: Edit) -> Any:
    new = replaced(tree, *together)
    return None if new is None else compiled(new, reference)


@functools.cache
def _edits(exercise: Exercise) -> tuple[tuple[ast.FunctionDef, list[Edit]], ...]:
    """The trees of the reference and its other forms, each with its edits."""
    trees = (tree_of(form) for form in (exercise.reference, *exercise.forms))
    inputs = exercise.fresh_inputs()
    return tuple((tree, edits(tree, inputs)) for tree in trees if tree is not None)


@functools.cache
def singles(exercise: Exercise) -> tuple[Mutant, ...]:
    """The mutants of one edit, the likely ones first."""
    found = []
    for tree, here in _edits(exercise):
        for edit in here:
            make = functools.partial(_made, exercise.reference, tree, edit)
            label = edit.label
            if tree.name != exercise.reference.__name__:
                label = f"{tree.name}: {label}"
            found.append(
                (not edit.likely, Mutant(make, edit.sentence, label, "single"))
            )
    return tuple(mutant for _, mutant in sorted(found, key=lambda pair: pair[0]))


@functools.cache
def pairs(exercise: Exercise) -> tuple[Mutant, ...]:
    """Mutants of two edits: two planted mistakes, then others, from each form in turn."""
    both = _planted_pairs(exercise)
    ways = [_planted_and_edited(exercise)] if _edits(exercise) else []
    ways += [_edited_twice(exercise, *form) for form in _edits(exercise)]
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*ways))
    found = (one for one in itertools.chain(both, mixed) if one is not None)
    return tuple(itertools.islice(found, PAIRS))


def _planted_pairs(exercise: Exercise) -> Iterator[Mutant]:
    texts = [one for one in exercise.mistakes if not callable(one[0])]
    for first, second in itertools.combinations(texts, 2):
        make = functools.partial(_both, exercise.reference, first[:-1], second[:-1])
        yield _pair(make, first[-1], second[-1], f"{first[:-1]}; {second[:-1]}")


def _both(reference: Callable[..., Any], first: Any, second: Any) -> Any:
    try:
        return _planted(reference, (*first, *second))
    except (ValueError, SyntaxError):  # one removes the other's place
        return None


def _planted_and_edited(exercise: Exercise) -> Iterator[Mutant]:
    reference, inputs = exercise.reference, exercise.fresh_inputs()
    for *changes, sentence in exercise.mistakes:
        if not callable(changes[0]):
            wrong = edited(reference, tuple(changes))
            for edit in edits(wrong, inputs):
                if edit.likely:
                    make = functools.partial(_made, reference, wrong, edit)
                    yield _pair(
                        make, sentence, edit.sentence, f"{changes}; {edit.label}"
                    )


def _edited_twice(
    exercise: Exercise, tree: ast.FunctionDef, here: list[Edit]
) -> Iterator[Mutant]:
    def place(edit: Edit) -> tuple[int, int]:
        node = edit.changes[0][0]
        return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)

    likely = sorted((edit for edit in here if edit.likely), key=place)
    near = sorted(  # slips close to each other come together
        itertools.combinations(range(len(likely)), 2),
        key=lambda pair: pair[1] - pair[0],
    )
    for first, second in ((likely[i], likely[j]) for i, j in near):
        make = functools.partial(_made, exercise.reference, tree, first, second)
        label = f"{first.label}; {second.label}"
        yield _pair(make, first.sentence, second.sentence, label)


def _pair(make: Callable[[], Any], first: str, second: str, label: str) -> Mutant:
    return Mutant(make, f"Two things: {first} And: {second}", label, "pair")
