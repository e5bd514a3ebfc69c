"""Operators that make one small mistake in a right formula, each with its sentence.

Every operator looks at one kind of node of the syntax tree and yields what may stand in
its place. The sentences are true of whatever function answers as the edited formula does:
they speak of the formula, not of how the learner wrote it.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from distral_lite.checks.compare import as_array

LONG = 40  # characters of code that a sentence may hold
REDUCTIONS = {
    "sum": "sum",
    "mean": "mean",
    "amax": "largest value",
    "amin": "smallest value",
    "logsumexp": "log of the sum of exponentials",
}
EXCHANGED = {
    "softmax": ("log_softmax",),
    "log_softmax": ("softmax",),
    "any": ("all",),
    "all": ("any",),
    "argmax": ("argmin",),
    "argmin": ("argmax",),
    "max": ("min", "argmax"),
    "amax": ("argmax",),
    "min": ("max",),
}
DROPPED = {
    "exp": "The exponential is missing: {x} enters as it is.",
    "log": "The logarithm is missing: {x} enters as it is.",
    "softmax": "The softmax is missing: {x} enters as it is.",
    "log_softmax": "The log-softmax is missing: this is not normalised.",
    "square": "The square is missing.",
    "sqrt": "The square root is missing.",
    "abs": "The absolute value is missing: signs matter here and are not to.",
    "flip": "The order is not turned round.",
    "cumsum": "The running sum is missing: these are single steps.",
    "detach": "`detach` is missing: gradients flow where they are not to.",
    "clone": "The copy is missing: this writes into what was passed in.",
    "floor": "The rounding is missing.",
    "round": "The rounding is missing.",
}


class Edit(NamedTuple):
    """A change of a formula.

    Attributes:
        changes: pairs of a node of the tree and what takes its place.
        sentence: what to say to who answers so.
        label: "old -> new".
        likely: whether learners often make it.
    """

    changes: tuple[tuple[ast.AST, ast.AST], ...]
    sentence: str
    label: str
    likely: bool


class Words:
    """Names a piece of a formula in the words of the exercise's arguments."""

    def __init__(self, tree: ast.FunctionDef) -> None:
        """Reads which local names stand for what."""
        self.arguments = [argument.arg for argument in tree.args.args]
        self.known: dict[str, ast.expr] = {}
        stored = [
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if stored.count(name) == 1 and name not in self.arguments:
                    self.known[name] = node.value
            elif isinstance(node, ast.For):
                self._loop(node)

    def _loop(self, node: ast.For) -> None:
        """In `for s, a in zip(state, action)` the name s is `state[t]`."""
        call = node.iter
        if isinstance(call, ast.Call) and isinstance(node.target, ast.Tuple):
            for target, source in zip(node.target.elts, call.args, strict=False):
                if isinstance(target, ast.Name):
                    entry = ast.Subscript(source, ast.Name("t", ast.Load()), ast.Load())
                    self.known[target.id] = entry

    def full(self, node: ast.AST) -> ast.AST:
        """A copy in which local names are replaced by what they stand for."""
        words = self
        names = (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
        if not any(name in self.known for name in names):
            return node

        class Inline(ast.NodeTransformer):
            def visit_Name(self, name: ast.Name) -> ast.AST:
                inner = words.known.get(name.id)
                return name if inner is None else words.full(inner)

        return Inline().visit(copy.deepcopy(node))

    def __call__(self, node: ast.AST, capital: bool = False) -> str:
        """A short text: the code, or the arguments that occur in it."""
        whole = self.full(node)
        text = ast.unparse(whole)
        if len(text) <= LONG:
            return f"`{text}`"
        inside = {name.id for name in ast.walk(whole) if isinstance(name, ast.Name)}
        names = [f"`{name}`" for name in self.arguments if name in inside]
        if not 0 < len(names) < 5:
            return "A part of the formula" if capital else "a part of the formula"
        listed = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
        return ("The part with " if capital else "the part with ") + listed


Found = Iterator[tuple[ast.AST, str, bool]]


def edits(tree: ast.FunctionDef, inputs: list[dict[str, Any]]) -> list[Edit]:
    """All edits of a function, in the order of its source.

    Args:
        tree: the function.
        inputs: the exercise's, which say which arguments may be taken for each other.
    """
    say, found = Words(tree), []
    settled = _settled(tree)
    for node in ast.walk(tree):
        for kind, operator in OPERATORS:
            if isinstance(node, kind) and id(node) not in settled:
                for new, sentence, likely in operator(node, say):
                    if ast.dump(new) != ast.dump(node):
                        found.append(_edit(((node, new),), sentence, likely))
    found += _exchanges(tree, inputs, say)
    unique = {}
    for edit in found:
        if edit.label in unique:
            edit = edit._replace(label=f"{edit.label} (line {_line(edit)})")
        unique.setdefault(edit.label, edit)
    return list(unique.values())


def _line(edit: Edit) -> str:
    node = edit.changes[0][0]
    return f"{getattr(node, 'lineno', 0)}, column {getattr(node, 'col_offset', 0)}"


def _edit(changes: tuple[tuple[ast.AST, ast.AST], ...], sentence: str, likely: bool):
    old, new = changes[0]
    for _, one in changes:
        ast.fix_missing_locations(one)
    texts = (one.iter if isinstance(one, ast.For) else one for one in (old, new))
    label = " -> ".join(map(ast.unparse, texts))
    return Edit(changes, sentence, label, likely)


def _settled(tree: ast.FunctionDef) -> set[int]:
    """Nodes that stand for no quantity: axes, signs of constants, targets, types."""
    found: set[int] = set()
    for node in ast.walk(tree):
        inner: list[ast.AST] = []
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                inner += [arg for arg in node.args if _axis(arg) is not None]
                inner.append(node.func)
            inner += [word.value for word in node.keywords if word.arg != "decimals"]
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.For):
            inner += getattr(node, "targets", [getattr(node, "target", None)])
        elif isinstance(node, ast.Subscript):
            parts = (
                node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            )
            inner += [
                part
                for part in parts
                if isinstance(part, ast.Slice) or _axis(part) is not None
            ]
        found |= {id(n) for one in inner if one is not None for n in _inside(one)}
    return found


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return iter([node])  # a method's name; what it is called on is a quantity
    return ast.walk(node)


def _axis(node: ast.AST) -> int | None:
    """The value of a whole constant such as -1."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if type(value) is int else None


# ---- small builders


def _name(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _of(text: str, **parts: ast.AST) -> ast.expr:
    """An expression from a pattern such as "a - b", whose names are filled in."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.AST:
            return parts.get(name.id, name)

    return Fill().visit(_name(text))


# ---- arithmetic


def _sums(node: ast.BinOp, say: Words) -> Found:
    a, b = node.left, node.right
    if isinstance(node.op, ast.Add):
        if isinstance(b, ast.BinOp) and isinstance(b.op, ast.Mult):
            alone = f"The factor {say(b.left)} belongs to {say(b.right)} alone."
            yield _of("b * (a + c)", a=a, b=b.left, c=b.right), alone, True
        yield a, f"{say(b, True)} is missing from the sum.", True
        yield b, f"{say(a, True)} is missing from the sum.", True
        yield (
            _of("a - b", a=a, b=b),
            f"{say(b, True)} is to be added, not subtracted.",
            True,
        )
        yield (
            _of("b - a", a=a, b=b),
            f"{say(a, True)} is to be added, not subtracted.",
            True,
        )
    elif isinstance(node.op, ast.Sub):
        yield a, f"{say(b, True)} has not been subtracted.", True
        yield _of("-b", b=b), f"{say(a, True)} is missing before the minus.", True
        yield (
            _of("a + b", a=a, b=b),
            f"{say(b, True)} is to be subtracted, not added.",
            True,
        )
        swapped = f"The difference is the wrong way round: {say(a)} less {say(b)}."
        yield _of("b - a", a=a, b=b), swapped, True
        if isinstance(a, ast.Constant):
            yield b, f"{say(node, True)} is wanted where you have {say(b)}.", True


def _products(node: ast.BinOp, say: Words) -> Found:
    a, b = node.left, node.right
    if isinstance(node.op, ast.Mult):
        yield a, f"The factor {say(b)} is missing.", True
        yield b, f"The factor {say(a)} is missing.", True
        for one, other in ((a, b), (b, a)):
            twice = f"The factor {say(one)} is in it twice."
            if not isinstance(one, ast.UnaryOp):
                yield _of("a * b * b", a=other, b=one), twice, False
            divided = f"{say(one, True)} is a factor; you divide by it."
            yield _of("a / b", a=other, b=one), divided, False
        yield _of("a + b", a=a, b=b), f"{say(b, True)} is a factor, not added.", False
        if isinstance(b, ast.BinOp) and isinstance(b.op, ast.Add):
            whole = f"The factor {say(a)} belongs to all of {say(b)}."
            yield _of("a * b + c", a=a, b=b.left, c=b.right), whole, False
            yield _of("b + a * c", a=a, b=b.left, c=b.right), whole, False
    elif isinstance(node.op, ast.Div):
        yield a, f"The division by {say(b)} is missing.", True
        yield _of("a * b", a=a, b=b), f"Divide by {say(b)}; you multiply.", True
        yield _of("a / b / b", a=a, b=b), f"You divide by {say(b)} twice.", False
        yield _of("b / a", a=a, b=b), "The fraction is upside down.", False
        yield _of("1 / b", b=b), f"The numerator is {say(a)}, not 1.", False


def _powers(node: ast.BinOp, say: Words) -> Found:
    a, b = node.left, node.right
    if isinstance(node.op, ast.Pow):
        right = f"the exponent is {say(b)}"
        yield a, f"The power is missing: {right}.", True
        yield _of("a ** (b + 1)", a=a, b=b), f"One power too many: {right}.", True
        yield _of("a ** (b - 1)", a=a, b=b), f"One power too few: {right}.", True
        product = (
            f"{say(a, True)} is raised to the power {say(b)}, not multiplied by it."
        )
        yield _of("a * b", a=a, b=b), product, False
        yield _of("1.0", a=a, b=b), f"The weights {say(node)} are missing.", True
    elif isinstance(node.op, ast.MatMult):
        turned = "A matrix is transposed: the sum runs over its last axis."
        yield _of("a.transpose(-1, -2) @ b", a=a, b=b), turned, True
    elif isinstance(node.op, ast.Mod | ast.FloorDiv):
        yield a, f"{say(node, True)} is wanted, with the remainder or quotient.", True


def _masks(node: ast.BinOp, say: Words) -> Found:
    a, b = node.left, node.right
    if isinstance(node.op, ast.BitAnd | ast.BitOr):
        both = isinstance(node.op, ast.BitAnd)
        word = "both" if both else "either"
        rule = f"What counts is {word} of {say(a)} and {say(b)}"
        yield a, f"{rule}; you look at {say(a)} alone.", True
        yield b, f"{rule}; you look at {say(b)} alone.", True
        if not both:
            once = f"{rule}; where both are true you take neither."
            yield _of("a ^ b", a=a, b=b), once, True
        other = "a | b" if both else "a & b"
        yield _of(other, a=a, b=b), f"{rule}; you have `{'|' if both else '&'}`.", True


def _unary(node: ast.UnaryOp, say: Words) -> Found:
    x = node.operand
    if isinstance(node.op, ast.USub) and _axis(node) is None:
        yield x, f"The minus before {say(x)} is missing.", True
    elif isinstance(node.op, ast.Invert | ast.Not):
        yield (
            x,
            f"The mask is upside down: it is to be {say(node)}, not {say(x)}.",
            True,
        )
        always = _of("x | True" if isinstance(node.op, ast.Invert) else "True", x=x)
        yield always, f"The mask {say(node)} is missing.", True


def _comparisons(node: ast.Compare, say: Words) -> Found:
    if len(node.ops) > 1:
        return
    a, b, op = node.left, node.comparators[0], type(node.ops[0])
    strict = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
    turned = {ast.Lt: ">=", ast.LtE: ">", ast.Gt: "<=", ast.GtE: "<", ast.Eq: "!="}
    right = f"the comparison is {say(node)}"
    if op in strict:
        equal = f"Where the two are equal you decide otherwise: {right}."
        yield _of(f"a {strict[op]} b", a=a, b=b), equal, True
    if op in turned:
        yield _of(f"a {turned[op]} b", a=a, b=b), f"Turned round: {right}.", True
    if op is ast.Eq and _axis(b) is None:
        near = f"What is merely near is taken for equal: {right}."
        yield _of("abs(a - b) < 1e-2", a=a, b=b), near, False


def _constants(node: ast.Constant, say: Words) -> Found:
    value = node.value
    if type(value) not in (int, float):
        return
    others = {0: (1,), 1: (0, 2), 2: (1,), 0.5: (1.0, 0.25)}
    tiny = (0.0, 1e3 * value, 1e-3 * value) if abs(value) < 1e-3 else (0, 2 * value)
    for other in others.get(value, tiny):
        sentence = f"The constant is {value:g}, not {other:g}."
        yield ast.Constant(type(value)(other)), sentence, False


# ---- calls


def _parts(node: ast.Call) -> tuple[str, ast.expr, list[ast.expr], bool] | None:
    """Name, operand and further arguments of `x.sum(-1)` or `torch.sum(x, -1)`."""
    if not isinstance(node.func, ast.Attribute):
        return None
    inner = node.func.value
    if isinstance(inner, ast.Name) and inner.id in ("torch", "np"):
        return (
            (node.func.attr, node.args[0], node.args[1:], True) if node.args else None
        )
    return node.func.attr, inner, node.args, False


def _method(node: ast.Call, name: str, x: ast.expr, rest: list[ast.expr]) -> ast.expr:
    function = ast.Attribute(x, name, ast.Load())
    return ast.Call(function, list(rest), list(node.keywords))


def _calls(node: ast.Call, say: Words) -> Found:
    parts = _parts(node)
    if parts is None:
        return
    name, x, rest, _ = parts
    if name in DROPPED:
        yield x, DROPPED[name].format(x=say(x)), True
    if name in REDUCTIONS:
        for other, word in REDUCTIONS.items():
            if other not in (name, "logsumexp") and (rest or other != "logsumexp"):
                sentence = f"You take the {word}; wanted is the {REDUCTIONS[name]}."
                yield _method(node, other, x, rest), sentence, True
    for other in EXCHANGED.get(name, ()):
        sentence = f"You take `{other}`; wanted is `{name}`."
        yield _method(node, other, x, rest), sentence, True
    if name in ("max", "amax"):
        cut = "Values below 0 are taken for 0: a maximum with 0 has no place here."
        yield _of("x.clamp_min(0)", x=node), cut, False
    if name == "square":
        yield _method(node, "abs", x, rest), "You take the size, not the square.", False
    if name == "where":
        condition, (a, b) = x, rest
        swapped = f"The two cases of {say(condition)} are swapped."
        yield _of("torch.where(c, b, a)", c=condition, a=a, b=b), swapped, True
        for kept in (a, b):
            sentence = f"The cases of {say(condition)} are not told apart."
            yield _of("x + 0 * y", x=kept, y=b if kept is a else a), sentence, True
    if name == "solve":
        transposed = [_of("x.mT", x=rest[0]), *rest[1:]]
        turned = "The matrix of the equations is transposed."
        yield _method(node, "solve", x, transposed), turned, True


def _axes(node: ast.Call, say: Words) -> Found:
    """Reductions over another axis, over all, and without keepdim."""
    parts = _parts(node)
    if parts is None or parts[0] in ("view", "reshape", "expand", "transpose"):
        return
    name, x, rest, _ = parts
    for place, argument in enumerate(rest):
        axis = _axis(argument)
        if axis is None or (isinstance(argument, ast.Constant) and name == "where"):
            continue
        for other in {-1: (0, -2), 0: (-1, 1), 1: (0, -1), -2: (-1,)}.get(axis, ()):
            new = [*rest[:place], ast.Constant(other), *rest[place + 1 :]]
            sentence = (
                f"`{name}` runs over the wrong axis: {axis} is right, not {other}."
            )
            yield _method(node, name, x, new), sentence, True
        if name in REDUCTIONS and name != "logsumexp" and len(rest) == 1:
            whole = ast.Call(ast.Attribute(x, name, ast.Load()), [], [])
            sentence = (
                f"The {REDUCTIONS[name]} runs over everything, not over axis {axis}."
            )
            yield whole, sentence, True
    if any(word.arg == "keepdim" for word in node.keywords):
        words = [word for word in node.keywords if word.arg != "keepdim"]
        bare = ast.Call(ast.Attribute(x, name, ast.Load()), list(rest), words)
        sentence = "`keepdim=True` is missing: rows are paired off with columns."
        yield bare, sentence, True


def _functions(node: ast.Call, say: Words) -> Found:
    """Python's own functions: range, reversed, max, min, sum."""
    if not isinstance(node.func, ast.Name):
        return
    name, args = node.func.id, node.args
    if name == "range" and len(args) == 1:
        short = "The loop stops one step early."
        yield _of("range(n - 1)", n=args[0]), short, True
        yield _of("range(1, n)", n=args[0]), "The loop leaves out the first step.", True
        yield _of("range(n + 1)", n=args[0]), "The loop makes one step too many.", False
    elif name == "reversed":
        yield args[0], "You go forwards; begin at the end and go back.", True
    elif name in ("max", "min") and len(args) == 2:
        for kept, other in (args, args[::-1]):
            sentence = f"You take {say(kept)} whatever {say(other)} is."
            yield kept, sentence, True
        opposite = "min" if name == "max" else "max"
        sentence = (
            f"The {'larger' if name == 'max' else 'smaller'} of the two is wanted."
        )
        yield _of(f"{opposite}(a, b)", a=args[0], b=args[1]), sentence, True


# ---- places in arrays


def _subscripts(node: ast.Subscript, say: Words) -> Found:
    if not isinstance(node.ctx, ast.Load):
        return
    if isinstance(node.slice, ast.Name):
        whole = f"You look at the whole of {say(node.value)}, not at {say(node)}."
        yield node.value, whole, True
    indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for place, index in enumerate(indices):
        for new, likely in _places(index):
            changed = [*indices[:place], new, *indices[place + 1 :]]
            inner = changed[0]
            if isinstance(node.slice, ast.Tuple):
                inner = ast.Tuple(changed, ast.Load())
            other = ast.Subscript(node.value, inner, ast.Load())
            sentence = f"You take {say(other)} where {say(node)} belongs."
            yield other, sentence, likely


def _places(index: ast.expr) -> Iterator[tuple[ast.expr, bool]]:
    whole = ast.Slice()
    if isinstance(index, ast.Slice):
        low, high = index.lower, index.upper
        if (low is None and high is None) or isinstance(index.step, ast.AST):
            return
        yield whole, True
        if low is not None and high is None:
            opposite = _of("-x", x=low)
            if isinstance(low, ast.UnaryOp):
                opposite = low.operand
            yield ast.Slice(None, opposite), True
            yield ast.Slice(_of("x + 1", x=low)), False
            yield ast.Slice(low, ast.Constant(-1)), True
        elif low is None:
            yield ast.Slice(_of("-x", x=high)), True
            yield ast.Slice(None, _of("x - 1", x=high)), True
    elif (value := _axis(index)) is not None:
        for other in (value + 1, value - 1):
            yield ast.Constant(other), other > value
    elif isinstance(index, ast.Name | ast.BinOp):
        yield _of("x + 1", x=index), False
        yield _of("x - 1", x=index), False


# ---- branches and statements


def _branches(node: ast.IfExp, say: Words) -> Found:
    rule = f"it depends on {say(node.test)}"
    swapped = ast.IfExp(node.test, node.orelse, node.body)
    yield swapped, f"The two cases are swapped: {rule}.", True
    yield node.body, f"You take {say(node.body)} in both cases; {rule}.", True
    yield node.orelse, f"You take {say(node.orelse)} in both cases; {rule}.", True


def _ifs(node: ast.If, say: Words) -> Found:
    test, body, orelse = node.test, node.body, node.orelse
    rule = f"it is decided by {say(test)}"
    yield ast.If(_of("not x", x=test), body, orelse), f"Turned round: {rule}.", True
    for always in (True, False):
        sentence = f"You do the same whether or not {say(test)}."
        yield ast.If(ast.Constant(always), body, orelse), sentence, True


def _loops(node: ast.For, say: Words) -> Found:
    counted = isinstance(node.target, ast.Name) and node.target.id == "_"
    for pattern, sentence, likely in (
        ("list(x)[:-1]", "The last step is left out.", True),
        ("list(x)[1:]", "The first step is left out.", True),
        ("list(x)[::-1]", "The steps are gone through in reverse order.", True),
        ("list(x)[:1]", "Only the first step is made: is something indented?", True),
    ):
        if counted and pattern in ("list(x)[1:]", "list(x)[::-1]"):
            continue  # every step is the same
        new = ast.For(node.target, _of(pattern, x=node.iter), node.body, node.orelse)
        yield new, sentence, likely


def _bools(node: ast.BoolOp, say: Words) -> Found:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield ast.BoolOp(other, node.values), f"The condition is {say(node)}.", True
    for value in node.values:
        yield value, f"The condition is {say(node)}, not {say(value)} alone.", True


def _augmented(node: ast.AugAssign, say: Words) -> Found:
    target = node.target
    if isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        word = "added" if isinstance(node.op, ast.Add) else "subtracted"
        sentence = f"{say(node.value, True)} is to be {word}."
        yield ast.AugAssign(target, other, node.value), sentence, True
    overwritten = f"You write over {say(target)}: the change is to be added to it."
    yield ast.Assign([target], node.value, lineno=0), overwritten, True
    yield ast.Pass(), f"The step with {say(node.value)} is missing.", True


def _assignments(node: ast.Assign, say: Words) -> Found:
    if isinstance(node.targets[0], ast.Subscript):
        yield ast.Pass(), f"The step with {say(node.value)} is missing.", True


def _returns(node: ast.Return, say: Words) -> Found:
    value = node.value
    if isinstance(value, ast.Tuple) and len(value.elts) == 2:
        swapped = ast.Tuple(value.elts[::-1], ast.Load())
        yield ast.Return(swapped), "The two values are in the wrong order.", True
    elif not isinstance(value, ast.Tuple):
        negative = ast.Return(_of("-x", x=value))
        yield negative, "These are the right numbers with the opposite sign.", True
        exponential = "These are the exponentials of the numbers that were asked for."
        yield ast.Return(_of("x.exp()", x=value)), exponential, True
        logarithm = "These are the logarithms of the numbers that were asked for."
        yield ast.Return(_of("x.log()", x=value)), logarithm, True
        rest = "This is 1 less the numbers that were asked for."
        yield ast.Return(_of("1 - x", x=value)), rest, False


OPERATORS: list[tuple[type, Callable[..., Found]]] = [
    (ast.BinOp, _sums),
    (ast.BinOp, _products),
    (ast.BinOp, _powers),
    (ast.BinOp, _masks),
    (ast.UnaryOp, _unary),
    (ast.Compare, _comparisons),
    (ast.Constant, _constants),
    (ast.Call, _calls),
    (ast.Call, _axes),
    (ast.Call, _functions),
    (ast.Subscript, _subscripts),
    (ast.IfExp, _branches),
    (ast.If, _ifs),
    (ast.For, _loops),
    (ast.BoolOp, _bools),
    (ast.AugAssign, _augmented),
    (ast.Assign, _assignments),
    (ast.Return, _returns),
]


# ---- arguments


def _exchanges(
    tree: ast.FunctionDef, inputs: list[dict[str, Any]], say: Words
) -> Iterator[Edit]:
    """One argument where another of the same kind belongs, once or everywhere."""
    names = list(inputs[0])
    stored = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    uses: dict[str, list[ast.Name]] = {name: [] for name in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            uses.get(node.id, []).append(node)
    for name, places in uses.items():
        kinds = {other: [_kind(given[other]) for given in inputs] for other in names}
        for other in names:
            if other == name or kinds[other] != kinds[name] or kinds[name][0] is None:
                continue
            sentence = f"You have `{other}` where `{name}` belongs."
            new = ast.Name(other, ast.Load())
            yield from (_edit(((p, new),), sentence, True) for p in places)
            if len(places) > 1:
                edit = _edit(tuple((p, new) for p in places), sentence, True)
                yield edit._replace(label=f"{edit.label} everywhere")
            back = uses[other]
            if name < other and places and back and not stored & {name, other}:
                there = ast.Name(name, ast.Load())
                swap = (*((p, new) for p in places), *((p, there) for p in back))
                swapped = f"`{name}` and `{other}` are exchanged."
                edit = _edit(swap, swapped, True)
                yield edit._replace(label=f"{name} <-> {other}")
        if places and kinds[name][0] == ("float", ()):
            rest = _of("1 - x", x=ast.Name(name, ast.Load()))
            sentence = f"You have 1 − `{name}` where `{name}` belongs."
            yield from (_edit(((p, rest),), sentence, False) for p in places)


def _kind(value: Any) -> tuple[str, Any] | None:
    """What must be equal for two arguments to be taken for each other."""
    if isinstance(value, list):
        return (f"list of {type(value[0]).__name__}" if value else "list", len(value))
    array = as_array(value)
    if array is None:
        return None
    kind = str(value.dtype) if isinstance(value, torch.Tensor) else type(value).__name__
    return kind, array.shape
