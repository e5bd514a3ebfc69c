"""Which tests `make quick` leaves out, told by the names in their code.

Those that train, open a browser, execute notebooks or start other programs.
"""

import re
import types

COSTLY = {
    "run_block",  # an experiment's training; others are called train or train_...
    "open_notebook",  # a browser
    "subprocess",  # other programs: notebooks, Dask, pytest in pytest
    "multiprocessing",
}


def names(function):
    """Every name in a function's code, and in those of its file that it uses."""
    found, waiting, seen = set(), [function], set()
    while waiting:
        one = waiting.pop()
        one = getattr(one, "__wrapped__", one)
        if not isinstance(one, types.FunctionType) or one in seen:
            continue
        seen.add(one)
        mentioned = set(_mentioned(one.__code__))
        found |= mentioned
        here = (one.__globals__.get(name) for name in mentioned)
        waiting += [
            other
            for other in here
            if getattr(other, "__module__", None) == one.__module__
        ]
    return found


def _mentioned(code):
    """The names in a code object and in the functions that it makes."""
    yield from code.co_names
    yield from code.co_varnames[: code.co_argcount]  # the fixtures that it asks for
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _mentioned(constant)


def is_slow(*functions):
    """Whether a test is costly, from its function and those of its fixtures."""
    return any(
        name in COSTLY or re.match("train(_|$)", name)
        for function in functions
        for name in names(function)
    )
