"""The house rules that no single module can hold: who imports whom, no global random state, versions that agree, nothing undeclared."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "distral_lite"

# Imports run down only; modules of one floor never import each other, so that the order of the chapters is the order of the house.
# (The cellar knows nothing of MDPs: checks of arguments, searches of a graph, and the reading of tables.)
FLOORS = [
    "validation endings transition_table",
    "mdp returns soft",
    "gridworld lanes networks replay statistics results plotting",
    "gym_bridge dynamic_programming q_learning dqn policy_gradient actor_critic a3c soft_q_learning regularised_actor_critic sac",
    "distral",
    "distral_sql distral_ac",
    "experiments transfer widgets checks",
]
FLOOR = {module: number for number, modules in enumerate(FLOORS, -1) for module in modules.split()}
LONGEST = 40  # lines of a function, without its docstring

# Import names that differ from the name of the distribution.
DISTRIBUTION = {"IPython": "ipython", "PIL": "pillow", "yaml": "pyyaml"}

# What draws from a hidden, shared generator, by full name. NumPy and the standard library: everything but what makes a generator.
NUMPY_MAKERS = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937"}
NUMPY_MAKERS |= {"get_state", "set_state"}  # `checks` puts back what a learner's function drew or seeded
STANDARD_MAKERS = {"Random", "SystemRandom", "getstate", "setstate"}
TORCH_SEEDS = re.compile(
    r"torch\.(manual_seed|seed|initial_seed|set_rng_state|get_rng_state|random\.(?!fork_rng|get_rng_state).*|cuda\.(manual_seed|seed)\w*)$"
)
TORCH_DRAWS = re.compile(r"torch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial|poisson|rand\w*_like)$|torch\.nn\.init\.\w+_$")
TORCH_LAYERS = re.compile(r"torch\.nn\.(Linear|Bilinear|Conv\w+|Embedding|RNN|GRU|LSTM|\w+Cell|MultiheadAttention|Transformer\w*)$")
TENSOR_DRAWS = {"uniform_", "normal_", "bernoulli_", "random_", "exponential_", "log_normal_", "cauchy_", "geometric_"}
CONSTANT_INITIALISERS = {"constant_", "zeros_", "ones_", "eye_", "dirac_"}


def scripts(*folders):
    """The Python files of some folders of the project, caches and environments left out."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


EVERYWHERE = [*scripts("distral_lite", "chapters", "solutions", "tests", "benchmarks", "tools"), ROOT / "conftest.py"]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def named(path):
    return path.relative_to(ROOT).as_posix()


# ---- imports ----


def module_of(path):
    """The module of the table that a file of the package belongs to: `checks` for all of checks/, `__init__` for the package's own."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(tree):
    """Full names of all that a file imports, inside functions too: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def floor_complaints(module, tree):
    """What a module of the package imports against the table."""
    found = []
    for name in imported_names(tree):
        if name.startswith("."):
            found.append(f"{module}: relative import of {name}: write it in full")
        elif name.startswith("distral_lite."):
            other = name.split(".")[1]
            if other != module and FLOOR.get(other, len(FLOORS)) >= FLOOR.get(module, -len(FLOORS)):
                found.append(f"{module} (floor {FLOOR.get(module)}) imports {other} (floor {FLOOR.get(other)})")
    return found


def test_imports_run_down_the_floors():
    assert [complaint for path in scripts("distral_lite") for complaint in floor_complaints(module_of(path), parse(path))] == []


def test_every_module_has_its_floor():
    assert sorted({module_of(path) for path in scripts("distral_lite")} - set(FLOOR) - {"__init__"}) == []


@pytest.mark.parametrize(
    ("module", "source", "complaints"),
    [
        ("distral", "from distral_lite.mdp import MDP\nfrom distral_lite import soft", 0),
        ("distral", "def f():\n    import distral_lite.distral_sql", 1),
        ("dqn", "from distral_lite import q_learning", 1),  # the same floor
        ("mdp", "from distral_lite import unheard_of", 1),
        ("unheard_of", "from distral_lite import mdp", 1),
        ("checks", "from distral_lite.checks.exercise import Exercise", 0),
        ("mdp", "from .soft import soft_value", 1),
        ("__init__", "from distral_lite import mdp", 1),  # importing one module must not import them all
    ],
)
def test_the_floors_are_held(module, source, complaints):
    assert len(floor_complaints(module, ast.parse(source))) == complaints


@pytest.mark.parametrize("path", scripts("distral_lite"), ids=named)
def test_functions_stay_readable(path):
    long = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            long[node.name] = node.end_lineno - body[0].lineno + 1
    assert {name: lines for name, lines in long.items() if lines > LONGEST} == {}


def test_every_module_has_its_test():
    modules = {module_of(path) for path in scripts("distral_lite")} - {"__init__"}
    assert sorted(module for module in modules if not (ROOT / "tests" / f"test_{module}.py").exists()) == []


# ---- declared packages and their versions ----


def requirements(lines):
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, lines)}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = requirements(PROJECT["dependencies"])
LAB = requirements(PROJECT["optional-dependencies"]["lab"])
TEST = requirements(PROJECT["optional-dependencies"]["test"])
assert str(TEST.pop("distral-lite")) == "distral_lite[lab]"  # who tests opens the chapters too
BENCH = requirements(PROJECT["optional-dependencies"]["bench"])
CLUSTER = requirements(PROJECT["optional-dependencies"]["cluster"])
PINS = requirements(line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


EXECUTORS = "distral_lite/experiments/executors.py"  # the one file of the package that knows of Dask, and imports it only when asked


def version(requirement):
    """The one version of a pin."""
    (pin,) = requirement.specifier
    assert pin.operator == "==", f"{requirement} is no pin"
    return pin.version


def third_party(path):
    """The distributions that a file imports from outside the standard library and the project."""
    tests = ROOT / "tests"
    ours = {one.relative_to(tests).parts[0].removesuffix(".py") for one in scripts("tests")}
    own = {"distral_lite", "make_venv"} | ours
    tops = {name.split(".")[0] for name in imported_names(parse(path)) if not name.startswith(".")}
    return {canonicalize_name(DISTRIBUTION.get(top, top)) for top in tops - own - set(sys.stdlib_module_names)}


def test_every_imported_package_is_declared():
    readers = {named(path): third_party(path) - set(CORE) for path in scripts("distral_lite", "chapters", "solutions")}
    readers[EXECUTORS] -= set(CLUSTER)
    ours = {named(path): third_party(path) - set(CORE | LAB | TEST) for path in EVERYWHERE}
    measured = {named(path): third_party(path) - set(CORE | LAB | TEST | BENCH) for path in scripts("benchmarks")}
    assert {path: names for path, names in (ours | readers | measured).items() if names} == {}


def test_every_dependency_is_pinned_within_its_range():
    declared = CORE | LAB | TEST | BENCH | CLUSTER
    assert sorted(PINS) == sorted(declared)
    assert [str(one) for name, one in declared.items() if version(PINS[name]) not in one.specifier] == []


def test_make_oldest_knows_every_lower_bound():
    """Its sed takes the bounds from lines of pyproject.toml; here they are read as TOML."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"sed -nE 's/(.*)/\\1==\\2/p' pyproject.toml", makefile)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    taken = {name: [bound] for name, bound in re.findall(pattern, text, re.MULTILINE)}
    assert taken == {
        name: [one.version for one in need.specifier if one.operator == ">="]
        for name, need in (CORE | LAB | TEST | BENCH | CLUSTER).items()
    }


def test_conda_environment_has_the_tested_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    packages = requirements(line for line in pip["pip"] if not line.startswith("--"))
    assert {name: version(one) for name, one in packages.items()} == {name: version(PINS[name]) for name in CORE | LAB}
    python = next(line.removeprefix("python=") for line in conda if line.startswith("python="))
    assert python in Requirement(f"python{PROJECT['requires-python']}").specifier


# ---- random numbers and stored objects ----


def aliases(tree):
    """What the names in a file stand for: {"np": "numpy", "rand": "torch.rand", "nn": "torch.nn"}."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {one.asname or one.name.split(".")[0]: one.name if one.asname else one.name.split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return known


def full_name(node, known):
    """The full dotted name of an expression like `np.random.rand`, or "" for anything else."""
    if isinstance(node, ast.Attribute):
        left = full_name(node.value, known)
        return f"{left}.{node.attr}" if left else ""
    return known.get(node.id, "") if isinstance(node, ast.Name) else ""


def random_complaint(node, known):
    """Why a node of a file draws from, or seeds, a generator that it shares with others; None where it does not."""
    name = full_name(node, known)
    if re.match(r"numpy\.random\.\w+$", name) and name.split(".")[2] not in NUMPY_MAKERS:
        return f"{name} uses NumPy's global generator"
    if re.match(r"random\.\w+$", name) and name.split(".")[1] not in STANDARD_MAKERS:
        return f"{name} uses the standard library's global generator"
    if TORCH_SEEDS.match(name):
        return f"{name} uses PyTorch's global generator"
    if not isinstance(node, ast.Call):
        return None
    called, words = full_name(node.func, known), {word.arg for word in node.keywords}
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    draws = TORCH_DRAWS.match(called) or (method in TENSOR_DRAWS and not called.startswith("torch."))
    if draws and method not in CONSTANT_INITIALISERS and "generator" not in words:
        return f"{called or method} without generator="
    if TORCH_LAYERS.match(called) and not on_meta(node):
        return f"{called} draws its first weights from PyTorch's global generator"
    if method == "rvs" and "random_state" not in words:
        return "rvs without random_state="
    return None


def on_meta(call):
    """Whether a layer is made with device="meta", where nothing is drawn."""
    return any(word.arg == "device" and isinstance(word.value, ast.Constant) and word.value.value == "meta" for word in call.keywords)


def pickle_complaint(node, known):
    """Why a call could run code that somebody hid in a stored file; None where it could not."""
    if not isinstance(node, ast.Call):
        return None
    called = full_name(node.func, known)
    values = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    if called == "torch.load" and values.get("weights_only") is not True:
        return "torch.load without weights_only=True"
    if called == "numpy.load" and values.get("allow_pickle") not in (None, False):
        return "numpy.load with allow_pickle"
    if re.match(r"(c?pickle|_pickle|dill|cloudpickle|shelve|marshal|joblib)\.(load|loads|open|Unpickler)$|pandas\.read_pickle$", called):
        return f"{called} loads pickles"
    return None


def encoding_complaint(node, known):
    """Why a call leaves the encoding of text to the system (Windows has its own); None if it does not."""
    if not isinstance(node, ast.Call):
        return None
    words = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    values = [words.get("mode"), *(getattr(one, "value", None) for one in node.args)]
    binary = any(re.fullmatch(r"[rwxa+]*b[rwxa+]*", one) for one in values if isinstance(one, str))
    files = full_name(node.func, known) in ("", "io.open")  # not os.open, nor Image.open
    reads = files and (name in ("read_text", "write_text") or (name == "open" and not binary))
    if "encoding" not in words and (reads or words.get("text") is True):
        return f"{name} without encoding="
    return None


def complaints(tree, rule):
    known = aliases(tree)
    return [f"line {node.lineno}: {text}" for node in ast.walk(tree) if (text := rule(node, known))]


@pytest.mark.parametrize("rule", [random_complaint, pickle_complaint, encoding_complaint])
def test_no_global_generator_no_pickle_and_no_encoding_by_chance(rule):
    found = {named(path): complaints(parse(path), rule) for path in EVERYWHERE}
    assert {path: texts for path, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.random.rand(3)",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random\nrandom.normal()",
        "from numpy.random import rand as r\nr(3)",
        "import random\nrandom.choice([1])",
        "from random import shuffle\nshuffle([1])",
        "import random\nf = random.random",
        "import torch\ntorch.manual_seed(0)",
        "import torch\ntorch.cuda.manual_seed_all(0)",
        "import torch\ntorch.rand(3)",
        "from torch import randn\nrandn(3)",
        "import torch as t\nt.multinomial(p, 1)",
        "import torch\nx = torch.empty(3).uniform_(0, 1)",
        "from torch import nn\nnn.Linear(3, 4)",
        "from torch import nn\nnn.init.kaiming_uniform_(w)",
        "import scipy.stats\nscipy.stats.norm.rvs(3)",
    ],
)
def test_global_random_state_is_caught(source):
    assert len(complaints(ast.parse(source), random_complaint)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.random.default_rng(0).normal(3)",
        "import random\nrandom.Random(3).shuffle([1])",
        "import torch\ng = torch.Generator().manual_seed(0)\ntorch.rand(3, generator=g)",
        "import torch\ntorch.empty(3).uniform_(0, 1, generator=g)",
        "from torch import nn\nnn.init.zeros_(w)\nnn.Linear(3, 4, device='meta')",
        "import scipy.stats\nscipy.stats.norm.rvs(3, random_state=rng)",
        "replay.sample(3)",
    ],
)
def test_own_generators_are_allowed(source):
    assert complaints(ast.parse(source), random_complaint) == []


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("import pickle\npickle.load(f)", 1),
        ("import torch\ntorch.load(f)", 1),
        ("import torch\ntorch.load(f, weights_only=False)", 1),
        ("import torch\ntorch.load(f, weights_only=True)", 0),
        ("import numpy as np\nnp.load(f, allow_pickle=True)", 1),
        ("import numpy as np\nnp.load(f)", 0),
    ],
)
def test_pickles_are_caught(source, caught):
    assert len(complaints(ast.parse(source), pickle_complaint)) == caught


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("open('x')", 1),
        ("open('x', 'w')", 1),
        ("open('x', mode='ab')", 0),
        ("open('x', 'xb')", 0),
        ("open('x', encoding='utf-8')", 0),
        ("import io\nio.open('x')", 1),
        ("path.open('w')", 1),
        ("path.open('rb')", 0),
        ("path.read_text()", 1),
        ("path.write_text('β', encoding='utf-8')", 0),
        ("from PIL import Image\nImage.open('x')", 0),
        ("import subprocess\nsubprocess.run(['ls'], text=True)", 1),
        ("import subprocess\nsubprocess.run(['ls'], encoding='utf-8')", 0),
    ],
)
def test_encodings_by_chance_are_caught(source, caught):
    assert len(complaints(ast.parse(source), encoding_complaint)) == caught


# ---- files ----


# An absolute path to somebody's own place. (Not after a letter, a dot or a colon: that is the middle of an address on the web.)
OUTSIDE = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|opt|mnt|srv)/\w|\b[A-Z]:\\\\?\w")
TEXT = {".py", ".md", ".toml", ".yml", ".txt", ".cfg", ".csv", ".ipynb", ""}
FIXTURES = {"test_layout.py", "test_chapters.py", "test_checks.py"}  # they hold such paths, to see them refused


def project_files():
    """All text files of the project: the root's own and those of its folders."""
    folders = ["distral_lite", "chapters", "solutions", "tests", "benchmarks", "tools", ".ci", ".github"]
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    found += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    hidden = {"__pycache__", ".ipynb_checkpoints"}
    return sorted(path for path in found if path.suffix in TEXT and path.name not in FIXTURES and not hidden & set(path.parts))


def path_complaints(path, text, root=ROOT):
    """Paths in a file that lead out of the project: absolute ones, and relative ones that climb too far or arrive nowhere."""
    found = [match.group() for match in OUTSIDE.finditer(text)]
    for match in re.finditer(r"(?<![\w./])((?:\.\./)+)([\w-]+)", text):
        up, name = match.group(1).count("../"), match.group(2)
        place = path.parent.relative_to(root).parts
        if up > len(place) or not any((root.joinpath(*place[: len(place) - up])).glob(f"{name}*")):
            found.append(match.group())
    return found


def test_no_file_names_a_path_outside_the_project():
    found = {named(path): path_complaints(path, path.read_text(encoding="utf-8")) for path in project_files()}
    assert {path: paths for path, paths in found.items() if paths} == {}


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("open('/home/ada/maps')", 1),
        ("see ../elsewhere/notes.md", 1),
        ("see ../../README.md", 1),
        ("see [the tests](../tests/test_layout.py) and ../README.md", 0),
        ("https://example.org/home/ada and #!/usr/bin/env", 0),
    ],
)
def test_paths_outside_are_caught(text, caught):
    assert len(path_complaints(ROOT / "chapters" / "00.py", text)) == caught


def test_the_readme_lists_exactly_the_chapters_that_exist():
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    listed = [name for row in rows for name in re.findall(r"\(chapters/(\w+)\.ipynb\)", row)]
    assert listed == sorted(path.stem for path in (ROOT / "chapters").glob("*.py"))
