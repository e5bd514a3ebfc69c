"""The chapters as files: executed, in step with their scripts, complete, portable; and that these checks catch what they should."""

import base64
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import notebook_rules as rules
import pytest
from nbformat.v4 import new_output
from patience import HANG

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted(ROOT.glob("chapters/*.ipynb"))
SOLUTIONS = sorted(ROOT.glob("solutions/*.ipynb"))
PAIRS = sorted({path.with_suffix(".py") for path in [*CHAPTERS, *SOLUTIONS, *ROOT.glob("chapters/*.py"), *ROOT.glob("solutions/*.py")]})
NUMBERED = [path for path in CHAPTERS if path.name[:2].isdigit()]  # not the appendices
APPENDICES = [path for path in CHAPTERS if path not in NUMBERED]  # look-up tables: executed and paired like all, without exercises
RULES = [
    *(rules.executed, rules.portable, rules.widgets_keep_still, rules.panels_have_stills, rules.pictures_speak),
    *(rules.no_negative_zero, rules.zeros_without_sign, rules.verdicts_show_their_bars),
]
TAUGHT = [path for path in NUMBERED if path.name[:2] != "00"]  # 00 only shows how to use the course


def each(paths):
    """One test a file, named after it."""
    return pytest.mark.parametrize("path", paths, ids=lambda path: f"{path.parent.name}/{path.stem}")


def test_there_are_chapters():
    assert CHAPTERS, "no chapters: every test of a chapter would pass by not being there"


def test_every_chapter_with_exercises_has_solutions():
    assert {path.name for path in TAUGHT} <= {path.name for path in SOLUTIONS} <= {path.name for path in CHAPTERS}


@each(PAIRS)
def test_script_and_notebook_agree(path):
    assert rules.paired(path) == []


@each([*CHAPTERS, *SOLUTIONS])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_notebook(path, rule):
    assert rule(path) == []


def test_names_of_chapters():
    """NN_name, or A_name for an appendix, in order without gaps among the appendices."""
    assert [path.stem for path in CHAPTERS if not re.fullmatch(r"(\d\d|[A-Z])_[a-z0-9_]+", path.stem)] == []
    assert "".join(path.stem[0] for path in APPENDICES) == "ABCDEFGH"[: len(APPENDICES)]


@each(APPENDICES)
def test_an_appendix_begins_with_its_letter_and_asks_nothing(path):
    notebook = nbformat.read(path, 4)
    assert notebook.cells[0].source.startswith(f"# {path.stem[0]} · ")
    assert not any("exercise" in cell.metadata.get("tags", []) for cell in notebook.cells)


def test_the_ledger_is_all_in_its_appendix():
    """Every row of equations.csv, with its number, its title and what is said of it, in the tables stored in appendix B."""
    (path,) = ROOT.glob("chapters/B_*.ipynb")
    tables = [output.data["text/markdown"] for cell in rules.code_cells(nbformat.read(path, 4)) for output in cell.outputs]
    lines = [line for table in tables for line in table.splitlines()]
    with (ROOT / "distral_lite" / "data" / "equations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        name = re.sub(r"^(text|box:|before|below) ", "", row["number"])
        found = [line for line in lines if f"**{name}**" in line and f"| {row['title']} ({row['chapter']}) |" in line]
        assert len(found) == 1, row["number"]
        assert (row["status"].capitalize() + "." in found[0]) == (row["status"] != "as printed")
        assert all(f"`{code.removeprefix('distral_lite.')}`" in found[0] for code in row["code"].split(";") if code)
    assert f"**{len(rows)}**" in tables[0]


def test_the_names_of_the_notation_exist():
    """What appendix A puts in quotes as code is a name in the package."""
    (path,) = ROOT.glob("chapters/A_*.py")
    names = set(re.findall(r"`([a-z]\w*)`", path.read_text(encoding="utf-8")))
    package = {word for file in (ROOT / "distral_lite").rglob("*.py") for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))}
    assert len(names) > 50 and sorted(names - package) == []


@each(NUMBERED)
def test_chapter_has_its_header(path):
    assert rules.has_header(path) == []


@each(TAUGHT)
@pytest.mark.parametrize("rule", [rules.has_ending, rules.has_exercises])
def test_chapter_teaches(path, rule):
    assert rule(path) == []


# ---- the rules themselves, on notebooks that break them ----


PNG = base64.b64encode(b"a picture").decode()
SILENT = new_output("display_data", {"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"})
PICTURE = new_output("display_data", SILENT.data, metadata={"image/png": {"alt": "The line rises."}})
BLANK = new_output("display_data", SILENT.data, metadata={"image/png": {"alt": " "}})
VIEW = {rules.WIDGET_VIEW: {"model_id": "one", "version_major": 2, "version_minor": 0}}
PANEL = new_output("execute_result", {**VIEW, "text/plain": "<panel: β>"}, execution_count=1)
BAR = new_output("display_data", {**VIEW, "text/plain": "  0%|          | 0/3 [00:00<?, ?it/s]"})
OUTPUT = new_output("display_data", {**VIEW, "text/plain": "Output()"})


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def change(path, edit):
    notebook = nbformat.read(path, 4)
    edit(notebook)
    nbformat.write(notebook, path)


@pytest.fixture
def notebook(tmp_path):
    return tmp_path / "01_try.ipynb"


def test_a_good_notebook_passes_every_rule(notebook):
    header = "You will be able to … **Before you start** … 30 min to read, 5 s to run"
    ending = "## What you learned\n## Self-quiz\n<details>…</details>\n## Errata\n## Further reading"
    stub = "def f(): ...\ncheck('1.{}', f)"
    still = ("plotting.show(draw(1), alt='a line')", [PICTURE])
    exercises = [(stub.format(number), [printed("not attempted yet")]) for number in range(3)]
    rules.write(notebook, [header, ("panel(draw)", [PANEL]), still, *exercises, ending])
    for rule in RULES:
        assert rule(notebook) == []
    assert rules.has_header(notebook) + rules.has_ending(notebook) + rules.has_exercises(notebook) == []


def test_a_notebook_that_was_never_executed_is_caught(notebook):
    rules.write(notebook, [("1 + 1", [])])
    change(notebook, lambda book: book.cells[0].update(execution_count=None))
    assert rules.executed(notebook) == ["code cell 1 ('1 + 1') has execution count None, not 1"]


def test_cells_executed_out_of_order_are_caught(notebook):
    rules.write(notebook, [("a = 1", []), ("a = 2", [])])
    change(notebook, lambda book: book.cells.reverse())
    assert len(rules.executed(notebook)) == 2


def test_an_empty_code_cell_needs_no_execution(notebook):
    rules.write(notebook, [("", []), ("1 + 1", [])])
    change(notebook, lambda book: (book.cells[0].update(execution_count=None), book.cells[1].update(execution_count=1)))
    assert rules.executed(notebook) == []


def test_stored_errors_and_stderr_are_caught(notebook):
    error = new_output("error", ename="ValueError", evalue="no", traceback=["no"])
    rules.write(notebook, [("f()", [error]), ("g()", [printed("careful", "stderr")])])
    assert ["ValueError" in rules.executed(notebook)[0], "stderr" in rules.executed(notebook)[1]] == [True, True]


@pytest.mark.parametrize(
    ("script", "agree"),
    [
        ("# %% [markdown]\n# Text\n\n# %%\n1 + 1\n", True),
        ("# %% [markdown]\n# Text\n\n# %%\n1 + 2\n", False),
        ("# %% [markdown]\n# Text\n", False),
        ('# %% [markdown]\n# Text\n\n# %% tags=["exercise"]\n1 + 1\n', False),
        (None, False),
    ],
)
def test_a_script_that_differs_is_caught(notebook, script, agree):
    rules.write(notebook, ["Text", ("1 + 1", [])])
    if script is not None:
        notebook.with_suffix(".py").write_text(script, encoding="utf-8")
    assert (rules.paired(notebook) == []) is agree


@pytest.mark.parametrize("text", ["/home/ada/x", "at /tmp/ipykernel_3/4.py:1", "/usr/lib/python3/site-packages/torch", "C:\\Users\\ada"])
def test_a_path_of_one_machine_is_caught(notebook, text):
    rules.write(notebook, [("print(x)", [printed(text)])])
    assert len(rules.portable(notebook)) == 1


def test_addresses_of_the_web_are_no_paths_of_a_machine(notebook):
    rules.write(notebook, [("print(x)", [printed("https://example.org/home/ada and 1/root/2")])])
    assert rules.portable(notebook) == []


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        *(("mean -0.00 of 3", 1), ("[-0.0, 1]", 1), ("x=-0", 1), ("\N{MINUS SIGN}0.000", 1), ("<td>-0.0</td>", 1), ("-0.00e+00", 1)),
        *(("-0.01", 0), ("0.00", 0), ("1e-05", 0), ("2020-01-02", 0), ("a-0", 0), ("5-0", 0), ("-0.5", 0)),
    ],
)
def test_a_negative_zero_is_caught(notebook, text, caught):
    rules.write(notebook, [("print(x)", [printed(text)]), ("x", [new_output("display_data", {"text/html": f"<b>{text}</b>"})])])
    assert len(rules.no_negative_zero(notebook)) == 2 * caught


@pytest.mark.parametrize(
    ("source", "text", "caught"),
    [
        *(("print(f'{x:.2f}')", "0.00", 1), ("print(f'{x:z.2f}')", "0.00", 0), ("print(f'{x:.2f}')", "0.01 0.000", 0)),
        *(("print(f'{x:+9.1f} {y:>7.1%}')", "   +0.0   0.0%", 2), ("print(f'{x:+z9.1f} {y:>z7.1%}')", "   +0.0   0.0%", 0)),
        *(("print(f'{x:.{n}f}')", "0.000", 1), ("print('{:8.0f}'.format(x))", "       0", 1), ("print(f'{x:f}')", "0.000000", 1)),
        *(("said(x)", "0.0", 1), ("print(x)", "0.0", 0), ("%time\nprint(f'{x:d}')", "0", 0)),
    ],
)
def test_a_zero_that_may_be_negative_is_caught(notebook, source, text, caught):
    rules.write(notebook, [("def said(x):\n    print(f'{x:.1f}')", []), (source, [printed(text)])])
    assert len(rules.zeros_without_sign(notebook)) == caught


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        *(("verdict((x < 0.1).all())", 1), ("print(f'{verdict(1 < x <= 2)}')", 1), ("verdict(max(y > 1 for y in x))", 1)),
        *(("verdict(x, '<', 0.1)", 0), ("verdict((x > 2).sum(), '>=', 18)", 0), ("verdict(x == 1)", 0), ("assert x < 1", 0)),
    ],
)
def test_a_verdict_that_hides_its_bar_is_caught(notebook, source, caught):
    rules.write(notebook, [(source, [])])
    assert len(rules.verdicts_show_their_bars(notebook)) == caught


@pytest.mark.parametrize(("bar", "status"), [(0.95, 1), (0.9, 0), (2.0, 1)])
def test_a_verdict_without_room_fails(notebook, bar, status):
    """At 1, a bar of 0.95 is too near; 0.9 is not. With a bar of 2 there is room, and another word than the stored one."""
    source = f"from distral_lite.statistics import verdict\nprint(verdict([1.0, 3.0], '>', {bar}))"
    rules.write(notebook, [(source, [printed("yes\n")])])
    command = [sys.executable, "-m", "pytest", f"--rootdir={ROOT}", "-p", "conftest", "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", str(notebook)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == status
    assert f"1 > {bar:g}, room" in done.stdout and "1 verdicts of notebooks" in done.stdout


def test_a_large_notebook_and_a_strange_kernel_are_caught(notebook):
    rules.write(notebook, ["x" * rules.MEBIBYTE], kernelspec={"name": "mine", "display_name": "mine"})
    assert len(rules.portable(notebook)) == 2


def test_an_output_widget_and_stored_state_are_caught(notebook):
    rules.write(notebook, [("interact(f)", [OUTPUT])], widgets={"application/vnd.jupyter.widget-state+json": {}})
    assert len(rules.widgets_keep_still(notebook)) == 2


@pytest.mark.parametrize("later", [[], [("x = 1", [])], ["Text"], [("x = 1", []), ("show()", [PICTURE])]])
def test_a_panel_without_a_still_is_caught(notebook, later):
    rules.write(notebook, [("panel(draw)", [PANEL]), *later])
    assert len(rules.panels_have_stills(notebook)) == 1


def test_a_progress_bar_needs_no_still(notebook):
    rules.write(notebook, [("tqdm(range(3))", [BAR])])
    assert rules.panels_have_stills(notebook) + rules.widgets_keep_still(notebook) == []


@pytest.mark.parametrize(
    "cell",
    ["![](a.png)", '<img src="a.png">', '<img src="a.png" alt="">', ("plt.show()", [SILENT]), ("show(figure, alt=' ')", [BLANK])],
)
def test_a_silent_picture_is_caught(notebook, cell):
    rules.write(notebook, [cell])
    assert len(rules.pictures_speak(notebook)) == 1


@pytest.mark.parametrize("cell", ["![a maze](a.png)", '<img alt="a maze" src="a.png">', ("show(figure, alt=text)", [PICTURE])])
def test_a_picture_with_alternative_text_passes(notebook, cell):
    rules.write(notebook, [cell])
    assert rules.pictures_speak(notebook) == []


def test_missing_sections_are_named(notebook):
    rules.write(notebook, ["You will be able to", ("1", []), "Before you start: 30 min, 5 s", "## Quiz"])
    assert len(rules.has_header(notebook)) == 3  # what comes after the first code is no header
    assert len(rules.has_ending(notebook)) == 3


def test_a_quiz_without_folded_answers_is_caught(notebook):
    rules.write(notebook, ["<details>a hint</details>", "## What you learned\n## Errata\n## Further reading", "## Quiz"])
    assert rules.has_ending(notebook) == ["the quiz has no folded answers (<details>)"]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([("check('1.1', f)", [printed("not attempted")])] * 3, "1 exercises"),
        ([(f"check('1.{number}', f)", [printed("✓")]) for number in (1, 2, 3)], "solved"),
        ([(f"check('2.{number}', f)", [printed("not attempted")]) for number in (1, 2, 3)], "another chapter"),
    ],
)
def test_wrong_exercises_are_caught(notebook, cells, words):
    rules.write(notebook, cells)
    assert words in rules.has_exercises(notebook)[-1]


def test_nbval_fails_on_a_wrong_stored_output_and_only_there(tmp_path):
    """With this project's own settings, in a copy: the same notebook once right, once with another number stored."""
    for name in ("pyproject.toml", "conftest.py", "tests/nbval_sanitize.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    address = ("object()", [new_output("execute_result", {"text/plain": "<object at 0x7f0123456789>"}, execution_count=2)])
    for name, text in (("right", "2\n"), ("wrong", "3\n")):
        rules.write(tmp_path / f"{name}.ipynb", [("print(1 + 1)", [printed(text)]), address])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "patience",
        "-p",
        "no:cacheprovider",
        "-rA",
        "right.ipynb",
        "wrong.ipynb",
    ]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=HANG, env=environment)
    verdicts = {line.split(" - ")[0] for line in result.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))}
    assert verdicts == {
        "PASSED right.ipynb::Cell 0",
        "PASSED right.ipynb::Cell 1",
        "FAILED wrong.ipynb::Cell 0",
        "PASSED wrong.ipynb::Cell 1",
    }
    assert result.returncode == 1
