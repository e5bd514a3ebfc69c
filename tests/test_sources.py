"""What the course says of others' words and programs: each quotation and each statement stands in a table, with its place.

Curly quotation marks are for words of the thesis, and for nothing else. `quotations.csv` beside this file lists them, with the sections
they stand in; `public_program.csv` (package data, shown in chapter 11) lists what is said of the author's program, with file and commit.
"""

import csv
import re
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path
    for pattern in ("chapters/*.py", "solutions/*.py", "distral_lite/**/*.py", "distral_lite/data/*.csv", "*.md")
    for path in ROOT.glob(pattern)
)
COMMITS = (  # of the author's repository, oldest first
    "00333e5 f60e3da c8b24c1 7b6ecb2 7c964b3 70e835e 61f0964 1671ac7 94b68e9 82d5411 05ac68c e3c1b56".split()
)


def table(text):
    return list(csv.DictReader(text.splitlines()))


QUOTATIONS = table((Path(__file__).parent / "quotations.csv").read_text(encoding="utf-8"))
PROGRAM = table(resources.files("distral_lite").joinpath("data", "public_program.csv").read_text(encoding="utf-8"))


def quoted(text):
    """The words in curly quotation marks, on one line each, without the comment marks of a percent script."""
    return [" ".join(re.sub(r"\n\s*#( >)?", " ", words).split()) for words in re.findall(r"“([^”]*)”", text)]


def test_quotations_are_those_of_the_table():
    found = {words for path in FILES for words in quoted(path.read_text(encoding="utf-8"))}
    listed = [row["words"] for row in QUOTATIONS]
    assert found == set(listed) and len(listed) == len(set(listed)) >= 20


def test_every_quotation_names_its_sections():
    for row in QUOTATIONS:
        assert re.fullmatch(r"\d(\.\d+)*(;\d(\.\d+)*)*", row["section"]), row


def test_quotation_marks_come_in_pairs():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert re.sub("[^“”]", "", text) == "“”" * text.count("“"), path


def test_a_quotation_over_two_lines_of_a_script_is_read():
    assert quoted("# > so “one\n# > and two”, “three”\n# “four\n#   five”") == ["one and two", "three", "four five"]


@pytest.mark.parametrize("row", PROGRAM, ids=lambda row: row["statement"][:50])
def test_statements_on_the_program_carry_their_place(row):
    assert row["holds"] in ("true", "false") and bool(row["fact"]) == (row["holds"] == "false")
    first, last = (COMMITS.index(commit) for commit in row["commits"].split(" to "))
    assert first < last
    assert re.fullmatch(r"[\w/]+\.py", row["path"]) and not (ROOT / row["path"]).exists()


def test_files_of_the_program_are_named_for_what_the_table_says_of_them():
    """A chapter that names a file of the author's program says something of it: the table must too."""
    mine = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("distral_lite/**/*.py")}
    named = {
        path
        for script in ROOT.glob("chapters/*.py")
        for path in re.findall(r"`(\w+(?:/\w+)+\.py)`", script.read_text(encoding="utf-8"))
        if path not in mine
    }
    assert named and named <= {row["path"] for row in PROGRAM if row["holds"] == "true"}


def test_what_does_not_hold_is_said_nowhere():
    wrong = [row["statement"].lower() for row in PROGRAM if row["holds"] == "false"]
    for script in ROOT.glob("chapters/*.py"):
        said = " ".join(re.sub(r"\n#", " ", script.read_text(encoding="utf-8")).split()).lower()
        assert not [words for words in wrong if words in said]
