"""What a chapter must look like on disk, as functions from a path to a list of complaints (empty when all is well).

They are functions, and not tests, so that test_chapters.py can also try them on notebooks that break each rule.
"""

import ast
import json
import re
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat

MEBIBYTE = 2**20
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# A place on the machine that executed the notebook: a home, a scratch folder, an installed package.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|tmp|var|opt|work|mnt)/[\w.]|[A-Z]:\\\\?Users|site-packages|\.venv\b")
# Section by section, words that its heading or its line in the header contains; see CONTRIBUTING.md.
HEADER = {
    "what the reader will be able to do": r"you will be able to",
    "what to know before": r"before you start",
    "minutes to read": r"\d\s*min",
    "seconds to run": r"\d\s*s(?:ec|\b)",
}
ENDING = {
    "what you learned": r"^#+ .*what you (?:have )?learn",
    "a quiz": r"^#+ .*quiz",
    "errata": r"^#+ .*errat",
    "further reading": r"^#+ .*further reading",
}
EXERCISES = 3  # at least, in every chapter but 00


def code_cells(notebook):
    """The code cells with anything in them."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def markdown(notebook):
    """All text of the notebook."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def named(number, cell):
    """How a complaint names a code cell: by its place and its first line."""
    return f"code cell {number} ({cell.source.strip().splitlines()[0][:60]!r})"


def output_text(output):
    """Everything a reader sees as text in one output."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join(output.traceback)
    return "\n".join(text for kind, text in output.data.items() if isinstance(text, str) and not kind.startswith("image/png"))


def executed(path):
    """Run from top to bottom in one go, without an error and with nothing on stderr. (nbval passes a notebook that was never run.)"""
    found = []
    for number, cell in enumerate(code_cells(nbformat.read(path, 4)), 1):
        if cell.execution_count != number:
            found.append(f"{named(number, cell)} has execution count {cell.execution_count}, not {number}")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"{named(number, cell)} stores the error {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{named(number, cell)} stores stderr: {output.text[:80]!r}")
    return found


def paired(path):
    """Script and notebook hold the same cells with the same tags. Takes either's path."""
    script, notebook = Path(path).with_suffix(".py"), Path(path).with_suffix(".ipynb")
    missing = [f"{one.name} is missing: call make sync" for one in (script, notebook) if not one.exists()]
    if missing:
        return missing
    left, right = (
        [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in jupytext.read(one).cells] for one in (script, notebook)
    )
    for number, (a, b) in enumerate(zip(left, right, strict=False), 1):
        if a != b:
            return [f"cell {number} differs: {first_difference(a, b)}; call make sync"]
    return [] if len(left) == len(right) else [f"the script has {len(left)} cells, the notebook {len(right)}; call make sync"]


def first_difference(left, right):
    """How two cells (type, source, tags) differ, in a few words."""
    if left[1] == right[1]:
        return f"script has {left[0]} {left[2]}, notebook {right[0]} {right[2]}"
    lines = zip_longest(left[1].split("\n"), right[1].split("\n"))
    a, b = next((a, b) for a, b in lines if a != b)
    return f"script has {a!r:.100}, notebook {b!r:.100}"


def portable(path):
    """Small, for the kernel that everybody has, and without a trace of the machine that executed it."""
    found = []
    size = Path(path).stat().st_size
    if size >= MEBIBYTE:
        found.append(f"the notebook has {size / MEBIBYTE:.1f} MiB, not less than 1")
    notebook = nbformat.read(path, 4)
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        found.append(f"the kernel is {kernel!r}, not 'python3'")
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            match = MACHINE_PATH.search(output_text(output))
            if match:
                found.append(f"{named(number, cell)} stores a path of one machine: {match.group()!r}")
    return found


def widgets(cell):
    """The plain texts that stand for the widgets a cell shows: "<panel: β>" for one of distral_lite.widgets, "Output()" for an Output."""
    return [output.data.get("text/plain", "") for output in cell.outputs if WIDGET_VIEW in output.get("data", {})]


def widgets_keep_still(path):
    """No Output widget: with one, executing sometimes hangs, and nbval fails. No stored state: it is different in every execution."""
    notebook = nbformat.read(path, 4)
    found = ["the state of widgets is stored: call make sync"] if "widgets" in notebook.metadata else []
    for number, cell in enumerate(code_cells(notebook), 1):
        if any(text.startswith("Output(") for text in widgets(cell)):
            found.append(f"{named(number, cell)} shows an Output widget")
    return found


def panels(path):
    """The places, among the code cells, of those that show a panel."""
    cells = code_cells(nbformat.read(path, 4))
    return [place for place, cell in enumerate(cells) for text in widgets(cell) if text.startswith("<panel")]


def panels_have_stills(path):
    """A reader without a kernel sees a picture under each panel: in its own cell, or in the next code cell."""
    cells = code_cells(nbformat.read(path, 4))
    lonely = [place for place in panels(path) if not any(map(pictures, cells[place : place + 2]))]
    return [f"{named(place + 1, cells[place])} shows a panel, and no still picture follows it" for place in lonely]


def pictures(cell):
    """The stored outputs of a cell that are pictures."""
    return [output for output in cell.outputs if any(kind.startswith("image/") for kind in output.get("data", {}))]


def pictures_speak(path):
    """Each picture has alternative text: in Markdown, in HTML, and stored with the picture, as plotting.show and widgets.still do."""
    notebook, found = nbformat.read(path, 4), []
    text = markdown(notebook)
    found += [f"an image in the text has no alternative text: {image}" for image in re.findall(r"!\[\s*\]\([^)]*\)", text)]
    found += [f"an image in the text has no alternative text: {tag}" for tag in re.findall(r"<img\b[^>]*>", text) if not speaks(tag)]
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in pictures(cell):
            kinds = [kind for kind in output.data if kind.startswith("image/")]
            if not all(output.metadata.get(kind, {}).get("alt", "").strip() for kind in kinds):
                found.append(f"{named(number, cell)} stores a picture without alternative text: use plotting.show(figure, alt=...)")
    return found


def speaks(tag):
    """Whether an HTML image has alternative text."""
    return re.search(r"""\balt\s*=\s*["'][^"']*\w""", tag) is not None


NEGATIVE_ZERO = re.compile(r"(?<![\w.\d)\]])[-−]0(?:\.0*)?(?:e[-+]?\d+)?(?![\w.])")
FIXED = re.compile(r"(?P<unsigned>z?)#?0?[\d?]*[,_]?(?:\.(?P<digits>\d+|\?))?(?P<kind>[fF%])$")  # ? stands for {digits}


def no_negative_zero(path):
    """No stored output shows -0.00: on another processor the same number is 0.00."""
    found = []
    for number, cell in enumerate(code_cells(nbformat.read(path, 4)), 1):
        for output in cell.outputs:
            match = NEGATIVE_ZERO.search(output_text(output))
            if match:
                found.append(f"{named(number, cell)} prints {match.group()!r}: use the format 'z'")
    return found


def zeros_without_sign(path):
    """Where a cell shows a zero, its formats of so many digits have the option z.

    What rounds to zero may be just above it on one processor and just below on another.
    The formats of a cell are its own and those of the functions that it calls by name.
    """
    found, functions = [], {}
    for number, cell in enumerate(code_cells(nbformat.read(path, 4)), 1):
        tree = parsed(cell)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                functions[node.name] = node
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        specs = [spec for one in (tree, *(functions[name] for name in names & set(functions))) for spec in signed(one)]
        text = "\n".join(map(output_text, cell.outputs))
        for digits, percent, spec in dict.fromkeys(specs):
            zero = re.search(rf"(?<![\w.])0{digits}{percent}(?![\w.%])", text)
            if zero:
                found.append(f"{named(number, cell)} prints {zero.group()} by the format {spec!r}: write z")
    return found


def parsed(cell):
    """The syntax tree of a code cell, without its magics."""
    return ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE))


def signed(tree):
    """The fixed-point formats of some code that lack z: a pattern of a zero's digits after the point, "%" or "", and themselves."""
    found = []
    for node in ast.walk(tree):
        specs = []
        if isinstance(node, ast.FormattedValue) and node.format_spec:
            specs = ["".join(part.value if isinstance(part, ast.Constant) else "?" for part in node.format_spec.values)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # "{:.2f}".format
            specs = re.findall(r"\{\w*:([^{}]*)\}", node.value)
        for spec in specs:
            match = FIXED.search(spec)
            if match and not match["unsigned"]:
                digits = match["digits"] or "6"  # as Python has it
                after = r"(?:\.0+)?" if digits == "?" else r"\." + "0" * int(digits) if int(digits) else ""
                found.append((after, "%" if match["kind"] == "%" else "", spec))
    return found


def verdicts_show_their_bars(path):
    """No comparison by <, <=, > or >= inside verdict(...): value, sign and bar are given each by itself, so that the room is known."""
    found = []
    for number, cell in enumerate(code_cells(nbformat.read(path, 4)), 1):
        for call in ast.walk(parsed(cell)):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "verdict" and len(call.args) == 1:
                compared = [node for node in ast.walk(call) if isinstance(node, ast.Compare)]
                if any(isinstance(one, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for node in compared for one in node.ops):
                    found.append(f"{named(number, cell)} hides a bar: {ast.unparse(call)}; write verdict(value, sign, bar)")
    return found


def has_header(path):
    """Before its first code cell, a chapter says what it gives, what it asks and how long it takes."""
    notebook = nbformat.read(path, 4)
    first_code = next((place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"), len(notebook.cells))
    head = "\n".join(cell.source for cell in notebook.cells[:first_code] if cell.cell_type == "markdown")
    return [f"the header does not say {what} ({words!r})" for what, words in HEADER.items() if not re.search(words, head, re.IGNORECASE)]


def has_ending(path):
    """A chapter ends with what was learned, a quiz with folded answers, the errata met and further reading."""
    text = markdown(nbformat.read(path, 4))
    found = [
        f"there is no section with {what}" for what, words in ENDING.items() if not re.search(words, text, re.IGNORECASE | re.MULTILINE)
    ]
    quiz = re.split(ENDING["a quiz"], text, flags=re.IGNORECASE | re.MULTILINE)[-1]
    return found if found or "<details" in quiz else ["the quiz has no folded answers (<details>)"]


def has_exercises(path):
    """At least three different exercises of this very chapter, untouched: their stored output says "not attempted"."""
    notebook, found, names = nbformat.read(path, 4), [], set()
    chapter = int(Path(path).stem[:2])
    for number, cell in enumerate(code_cells(notebook), 1):
        numbers = re.findall(r"""\bcheck\(\s*["'](\d+)\.(\w+)["']""", cell.source)
        names.update(numbers)
        if any(int(of) != chapter for of, _ in numbers):
            found.append(f"{named(number, cell)} checks an exercise of another chapter")
        if numbers and "not attempted" not in "".join(map(output_text, cell.outputs)):
            found.append(f"{named(number, cell)} checks an exercise, and does not store 'not attempted': is it solved?")
    return found if len(names) >= EXERCISES else [*found, f"there are {len(names)} exercises, not at least {EXERCISES}"]


def write(path, cells, **metadata):
    """Write a small notebook for a test; cells are texts (markdown), or pairs of source and outputs (code, executed)."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}, **metadata}
    )
    count = 0
    for cell in cells:
        if isinstance(cell, str):
            notebook.cells.append(nbformat.v4.new_markdown_cell(cell))
        else:
            count += 1
            notebook.cells.append(nbformat.v4.new_code_cell(cell[0], outputs=cell[1], execution_count=count))
    Path(path).write_text(json.dumps(notebook), encoding="utf-8")
    return path
