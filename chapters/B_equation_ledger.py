# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # B · Equation ledger
#
# Every numbered equation of the thesis, its boxes of pseudocode, and what its text gets wrong: the form that the course states, where it is
# taught, and what it is in `distral_lite`. The tables are made from one file, `distral_lite/data/equations.csv`, which the tests read too:
# each row has a test of its own that confirms the form by a number, and, where the thesis errs, shows what the printed form would give.
#
# Five things can be said of an equation, or of a sentence:
#
# - **as printed**: the thesis has it right;
# - **misprint**: an index, a sign or a name is wrong, and what is meant can be seen. The form below is the corrected one;
# - **false**: what is said does not hold, and a program or a reader that believes it goes wrong;
# - **unstated choice**: right under a condition that the thesis does not name, or open in a way that a program must decide;
# - **matter of opinion**: one may see it so.
#
# Misprints and false statements are the errata. It is a draft that is read here (see chapter 11): a later one may have mended them.
#
# To look something up, search the page for its number (such as 2.54) or for a name (such as `soft_value`).

# %%
import csv
import re
from collections import Counter
from importlib import resources

from IPython.display import Markdown

with resources.files("distral_lite").joinpath("data", "equations.csv").open(encoding="utf-8", newline="") as file:
    LEDGER = list(csv.DictReader(file))

SECTIONS = {
    "2.1": "MDPs and dynamic programming",
    "2.2": "Q-learning and DQN",
    "2.3": "Policy gradient",
    "2.4": "Actor–critic",
    "2.5.1": "The regularised bandit",
    "2.5.3": "Soft Q-learning",
    "2.5.5": "Regularised actor–critic",
    "2.5.6": "Equivalence",
    "2.5.7": "Soft actor–critic",
    "2.6.2": "Distral: objective and policies",
    "2.6.3": "Distral by soft Q-learning",
    "2.6.4": "Distral by actor–critic",
    "3": "Experiments",
}


def number_key(section):
    """2.5.10 as (2, 5, 10), so that sections can be put in order."""
    return tuple(map(int, section.split(".")))


def part(row):
    """The last heading at or before the row's section; the thesis's chapter 1 is put with its experiments."""
    place = number_key(row["thesis_section"])
    return "3" if place[0] == 1 else max((name for name in SECTIONS if number_key(name) <= place), key=number_key)


# %% [markdown]
# ## How much of it is right?

# %%
STATUS = ("as printed", "misprint", "false", "unstated choice", "matter of opinion")
count = Counter((part(row), row["status"]) for row in LEDGER)
lines = ["| thesis | | rows | as printed | misprints | false | unstated choices | opinions |", "|---|---|---|---|---|---|---|---|"]
for name, title in SECTIONS.items():
    numbers = [count[name, status] for status in STATUS]
    lines.append(f"| {name} | {title} | {sum(numbers)} | " + " | ".join(str(number or "") for number in numbers) + " |")
numbers = [sum(row["status"] == status for row in LEDGER) for status in STATUS]
lines.append(f"| **all** | | **{len(LEDGER)}** | " + " | ".join(f"**{number}**" for number in numbers) + " |")
assert sum(numbers) == sum(count.values()) == len(LEDGER)
Markdown("\n".join(lines))

# %% [markdown]
# Most errata are slips of an index or a sign; you see what was meant. Some you cannot see through, and a program that follows them learns
# something else: the target of the regularised critic (2.51), the missing gradient of the price (2.49), γ in line 22 of algorithm 2. One
# is an explanation, not a formula: why nothing is learned at β = 1 (section 3.5).

# %%


def formula(latex):
    """LaTeX in dollars; bars are spelled out, because a table reads a bar as the end of a cell."""
    pieces = latex.replace(r"\|", r"\Vert ").replace("|", r"\vert ").split(r", \quad")
    return "<br>".join(f"${piece.strip()}$" for piece in pieces)


def names(code):
    """The names without the package's own; `module.function` each in its quotes."""
    return ", ".join(f"`{name.removeprefix('distral_lite.')}`" for name in code.split(";") if name)


GREEK = dict(alpha="α", beta="β", gamma="γ", delta="δ", theta="θ", kappa="κ", mu="μ", pi="π", phi="φ", psi="ψ")


def sentence(note):
    """A note with its Greek letters; a bar is spelled out here too."""
    return re.sub(rf"\b({'|'.join(GREEK)})(?=\b|_)", lambda found: GREEK[found[1]], note).replace("|", "&#124;")


def line(row):
    """One row of a table: number, title and chapter, and all there is to say."""
    number = re.sub(r"^(text|box:|before|below) ?(.*)", r"\2", row["number"])
    kind = row["number"].split(maxsplit=1)[0].rstrip(":") if number != row["number"] else ""
    kind = {"text": "section ", "box": "box "}.get(kind, f"{kind} " if kind else "")
    verdict = "" if row["status"] == "as printed" else f"**{row['status'].capitalize()}.** {sentence(row['note'])}"
    said = [text for text in (formula(row["latex"]) if row["latex"] else "", verdict, names(row["code"])) if text]
    return f"| {kind}**{number}** | {row['title']} ({row['chapter']}) | " + "<br>".join(said) + " |"


def table(name):
    """All rows of a part of the thesis."""
    head = ["| thesis | what (chapter) | form, status, code |", "|:---|:---|:---|"]
    return Markdown("\n".join([*head, *(line(row) for row in LEDGER if part(row) == name)]))


# %% [markdown]
# ## 2.1 · MDPs and dynamic programming

# %%
table("2.1")

# %% [markdown]
# ## 2.2 · Q-learning and DQN

# %%
table("2.2")

# %% [markdown]
# ## 2.3 · Policy gradient

# %%
table("2.3")

# %% [markdown]
# ## 2.4 · Actor–critic

# %%
table("2.4")

# %% [markdown]
# ## 2.5.1 · The regularised bandit

# %%
table("2.5.1")

# %% [markdown]
# ## 2.5.3 · Soft Q-learning

# %%
table("2.5.3")

# %% [markdown]
# ## 2.5.5 · Regularised actor–critic

# %%
table("2.5.5")

# %% [markdown]
# ## 2.5.6 · Equivalence

# %%
table("2.5.6")

# %% [markdown]
# ## 2.5.7 · Soft actor–critic

# %%
table("2.5.7")

# %% [markdown]
# ## 2.6.2 · Distral: objective and policies

# %%
table("2.6.2")

# %% [markdown]
# ## 2.6.3 · Distral by soft Q-learning

# %%
table("2.6.3")

# %% [markdown]
# ## 2.6.4 · Distral by actor–critic

# %%
table("2.6.4")

# %% [markdown]
# ## Chapters 1 and 3 · Experiments

# %%
table("3")

# %% [markdown]
# ## Read on
#
# - `distral_lite/data/equations.csv` is the ledger itself; its column `test` names the test that confirms a row, in one of the files
#   `tests/test_equations_*.py`.
# - Each chapter marks an erratum where you meet it, and lists its own at its end.
# - Appendix A says what the symbols mean, and what they are called in the code.
