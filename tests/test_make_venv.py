"""The set-up script says in one sentence what a newcomer can put right, and repairs what was left half-made. Nothing is installed here."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import HANG

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tools" / "make_venv.py"


@pytest.fixture
def project(tmp_path):
    """A copy of what the script reads; its path."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def call(project, **environment):
    """Run the script as make does; its exit status and the lines it wrote to stderr."""
    command = [sys.executable, str(project / "tools" / "make_venv.py")]
    result = subprocess.run(command, env=os.environ | environment, capture_output=True, encoding="utf-8", timeout=HANG)
    return result.returncode, result.stderr.splitlines()


@pytest.fixture
def script(project, monkeypatch):
    """The copied script as a module, with every command it would run replaced: `script.calls` collects them, `script.answer` replies."""
    spec = importlib.util.spec_from_file_location("make_venv_copy", project / "tools" / "make_venv.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.calls, module.answer = [], lambda step: (0, "")

    def run(command):
        step = "venv" if "venv" in command else "pip"
        module.calls.append(step)
        if step == "venv":
            shutil.rmtree(module.VENV, ignore_errors=True)
            Path(module.VENV).mkdir()
        return module.answer(step)

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "interpreter_runs", lambda: Path(module.VENV).exists())
    return module


def test_it_parses_on_pythons_as_old_as_the_oldest_that_ast_knows():
    ast.parse(SCRIPT.read_text(encoding="ascii"), feature_version=(3, 7))
    words = SCRIPT.read_text(encoding="ascii")
    assert "from None" not in words and ' f"' not in words  # both end Python 2 with a SyntaxError


def test_an_old_python_is_told_so(script, monkeypatch, capsys):
    monkeypatch.setattr(script.sys, "version_info", (3, 9, 18))
    assert script.main() == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "needs Python 3.11 or newer and this is 3.9" in text and "PYTHON=" in text
    assert script.calls == []


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_missing_venv_module_is_told_so(project, missing):
    shadow = project / "shadow"
    shadow.mkdir()
    (shadow / f"{missing}.py").write_text("raise ImportError('shadowed')", encoding="utf-8")
    status, lines = call(project, PYTHONPATH=str(shadow))
    assert status == 1 and len(lines) == 1
    assert "sudo apt install python3-venv" in lines[0]
    assert not (project / ".venv").exists()


def test_no_network_is_told_so(script, project):
    """What the real pip says where nobody listens, without making an environment for it first."""
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "numpy"]
    result = subprocess.run(command, cwd=project, env=os.environ | nowhere, capture_output=True, encoding="utf-8", timeout=HANG)
    assert result.returncode != 0
    assert script.explain(result.stderr).startswith("The packages could not be downloaded: check the network")


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "The disk is full"),
        ("WARNING: Retrying ... NameResolutionError(...)\nERROR: No matching distribution found for numpy", "check the network"),
        ("ERROR: Cannot install a and b\nERROR: ResolutionImpossible: for help visit ...", "its last words: ERROR: ResolutionImpossible"),
        ("", "its last words: nothing"),
    ],
)
def test_a_failed_installation_is_explained_in_one_sentence(script, capsys, errors, words):
    script.answer = lambda step: (1, errors) if step == "pip" else (0, "")
    assert script.main() == 1
    text = capsys.readouterr().err
    assert words in text and text.count("\n") == 1


def test_the_second_call_does_nothing(script):
    assert script.main() == script.main() == 0
    assert script.calls == ["venv", "pip"]


def test_a_half_made_environment_is_made_afresh(script):
    def killed(step):
        if step == "pip":
            raise KeyboardInterrupt
        return 0, ""

    script.answer = killed
    assert script.main() == 1
    script.answer = lambda step: (0, "")
    assert script.main() == 0
    assert script.calls == ["venv", "pip", "venv", "pip"]


def test_changed_versions_are_installed_into_what_is_there(script, project):
    assert script.main() == 0
    (project / "constraints.txt").write_text("torch==2.13.1\n", encoding="utf-8")
    assert script.main() == script.main() == 0
    assert script.calls == ["venv", "pip", "pip"]


def test_a_failed_update_leaves_the_environment_as_whole_as_it_was(script, project):
    assert script.main() == 0
    (project / "constraints.txt").write_text("torch==2.13.1\n", encoding="utf-8")
    script.answer = lambda step: (1, "ERROR: no")
    assert script.main() == 1
    script.answer = lambda step: (0, "")
    assert script.main() == 0
    assert script.calls == ["venv", "pip", "pip", "pip"]  # never made afresh


def test_a_moved_project_gets_a_new_environment(script):
    assert script.main() == 0
    stamp = Path(script.STAMP)
    stamp.write_text(stamp.read_text(encoding="utf-8").replace(script.VENV, "/elsewhere/.venv"), encoding="utf-8")
    assert script.main() == 0
    assert script.calls == ["venv", "pip", "venv", "pip"]
