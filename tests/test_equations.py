"""The equation ledger, `distral_lite/data/equations.csv`: complete, importable, stated in the chapters, and each row confirmed by a number.

A row's columns: `number` (of the thesis; where there is none, the place), `thesis_section`, `chapter` (of the course), `title`, `status`,
`latex` (the form that the course states), `note` (what was wrong or left unsaid, in one sentence), `code` (what the equation is in the
package, parted by semicolons; empty for some definitions), `test` (the function that confirms the form and, where the thesis errs, shows
what the printed form would give). The rows' tests are in the files `test_equations_*.py` beside this one; this one tests the table.
"""

import ast
import csv
import importlib
import re
from importlib import resources
from pathlib import Path

import pytest
from equation_tools import errata_of
from matplotlib.mathtext import MathTextParser

ROOT = Path(__file__).parent.parent
COLUMNS = ["number", "thesis_section", "chapter", "title", "status", "latex", "note", "code", "test"]
STATUS = {"as printed", "false", "misprint", "unstated choice", "matter of opinion"}
LAST = 74  # the ledger is complete up to (2.LAST)

with resources.files("distral_lite").joinpath("data", "equations.csv").open(encoding="utf-8", newline="") as file:
    HEADER, *ROWS = list(csv.reader(file))
LEDGER = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
every_row = pytest.mark.parametrize("row", LEDGER, ids=lambda row: row["number"])


def printed_number(row):
    """17 for (2.17), None for a row without a number of its own."""
    found = re.fullmatch(r"2\.(\d+)", row["number"])
    return int(found[1]) if found else None


def names_of_row_tests():
    """The names of all tests in the files beside this one."""
    files = sorted(Path(__file__).parent.glob("test_equations_*.py"))
    functions = [node for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if function.name.startswith("test_")]


# ---- the ledger as a table ----


def test_the_ledger_is_complete_and_in_order():
    assert HEADER == COLUMNS
    assert [n for n in map(printed_number, LEDGER) if n is not None] == list(range(1, LAST + 1))
    assert [row["number"] for row in LEDGER if row["thesis_section"].startswith("3") and "text" not in row["number"]] == ["3.1"]
    assert len({row["number"] for row in LEDGER}) == len(LEDGER)
    # Rows without a number stand where the thesis has them: no section comes after a later one.
    sections = [tuple(map(int, row["thesis_section"].split("."))) for row in LEDGER]
    assert sections == sorted(sections)


def test_every_row_has_a_test_of_its_own():
    """And every such test has a row; a name that stands twice would be missing once on one of the sides."""
    assert sorted(row["test"] for row in LEDGER) == sorted(names_of_row_tests())
    for row in LEDGER:
        place = re.sub(r"\W+", "_", row["number"].lower()).strip("_")
        place = re.sub("_(algorithm|figure).*", "", place)
        assert f"{row['test']}_".startswith(f"test_{place}_"), row["number"]


@every_row
def test_row_is_filled_in(row):
    assert row["status"] in STATUS
    assert bool(row["note"]) == (row["status"] != "as printed")
    assert row["note"] == "" or (row["note"].endswith(".") and ". " not in row["note"])  # one sentence
    assert row["title"] and re.fullmatch(r"\d\d", row["chapter"])
    assert all(value == value.strip() for value in row.values())


@every_row
def test_row_names_code_that_exists(row):
    for path in filter(None, row["code"].split(";")):
        package, module, *names = path.split(".")
        found = importlib.import_module(f"{package}.{module}")
        for name in names:
            found = getattr(found, name)
        assert callable(found)


@every_row
def test_latex_can_be_set(row):
    latex = row["latex"]
    assert latex or "text" in row["number"]
    assert latex.count("{") == latex.count("}")
    if latex:
        MathTextParser("path").parse(f"${latex}$")


def test_latex_that_cannot_be_set_is_caught():
    with pytest.raises(ValueError):
        MathTextParser("path").parse(r"$V_{k+1}(s = \summ$")


# What a chapter must say of an erratum that has no number of its own.
PHRASES = {
    "before 2.7": r"(above|before) \(?2\.7",
    "before 2.7 (reward)": r"R_\\pi\(S_t, ?A_t\)",
    "text 2.1.2 (Dyna-Q)": r"Dina-Q.*Dyna-Q",
    "text 2.1.3 (improvement)": r"2\.1\.3.*V_\{k\+1\}",
    "text 2.3.1 (stationary distribution)": r"footnote 4.*(share|number)",
    "below 2.26 (one-step TD)": r"[Bb]elow \(?2\.26.*next reward",
    "below 2.26 (if and only if)": r"[Bb]elow \(?2\.26.*sufficient",
    "text 2.5.7 (entirely different)": r"2\.5\.7.*entirely different",
    "before 2.62": r"[Bb]efore \(?2\.62",
    "below 2.62": r"strictly less than 1",
    "box: Distral by SQL (Algorithm 1)": r"[Ll]ine 14",
    "box: Distral by actor-critic (Algorithm 2)": r"[Ll]ine 22",
    "text 1.1 (step limit)": r"1000 to 200",
    "text 3.3.1 (step limit)": r"episodes to 100",
    "text 3.5 (divergence)": r"3\.5.*(overflow|phase transition)",
    "text 3.5 (two temperatures)": r"3\.5.*\\beta'",
}


def states(erratum, number):
    """Whether a line on errata is about an equation: (2.11), 2.11, but not section 2.1.1."""
    if number in PHRASES:
        return re.search(PHRASES[number], erratum) is not None
    plain = erratum.lower().replace("(", "")
    return re.search(rf"(?<![\d.])(?<!above )(?<!before )(?<!below ){re.escape(number)}(?!\.?\d)", plain) is not None


STATED = [row for row in LEDGER if row["status"] in ("false", "misprint", "matter of opinion")]


@pytest.mark.parametrize("row", STATED, ids=lambda row: row["number"])
def test_the_chapter_states_the_erratum(row):
    assert re.fullmatch(r"\d\.\d+", row["number"]) or row["number"] in PHRASES
    scripts = list((ROOT / "chapters").glob(f"{row['chapter']}_*.py"))
    if not scripts:
        pytest.skip(f"chapter {row['chapter']} is not written yet")
    errata = errata_of(scripts[0].read_text(encoding="utf-8"))
    assert any(states(erratum, row["number"]) for erratum in errata), f"chapter {row['chapter']} states no erratum of {row['number']}"


def test_errata_are_found_in_a_script():
    script = "# %% [markdown]\n# About (2.9).\n#\n# > **Erratum.** (2.8) prints\n# > the wrong index.\n#\n# > A quote about (2.10).\n#\n"
    script += "# ## Errata met in this chapter\n#\n# - 2.11: max,\n#   in two lines\n# - above 2.7: another\n# - Below (2.12): $x$\n#\n"
    script += "# ## Further reading\n#\n# - Section 2.1.2\n"
    errata = errata_of(script)
    items = ["- 2.11: max, in two lines", "- above 2.7: another", "- Below (2.12): $x$"]
    assert errata == ["> **Erratum.** (2.8) prints the wrong index.", *items]
    numbers = ("2.1", "before 2.7", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12")
    assert [number for number in numbers if any(states(erratum, number) for erratum in errata)] == ["before 2.7", "2.8", "2.11"]
