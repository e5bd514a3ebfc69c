import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "tools" / "portable.py"
SPEC = importlib.util.spec_from_file_location("portable", SCRIPT)
portable = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(portable)

TESTS = """
import os

def test_passes():
    pass

def test_fails_elsewhere():
    assert os.environ.get("SOME_CPU") != "old"
"""


def test_the_table_counts_what_passed_and_failed(tmp_path, monkeypatch, capfd):
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    tried = {"here": {}, "there": {"SOME_CPU": "old"}, "nowhere": {"PYTEST_ADDOPTS": "--no-such-option"}}
    monkeypatch.setattr(portable, "ARITHMETICS", tried)
    assert portable.main(["-p", "no:cacheprovider", "test_it.py"]) == 1
    rows = [line.split() for line in capfd.readouterr().out.split("arithmetic ")[-1].splitlines()]
    assert rows[0] == ["passed", "failed"]
    assert rows[1:3] == [["here", "2", "0"], ["there", "1", "1"]]
    assert rows[3][:3] == ["nowhere", "0", "1"] and rows[3][-2:] == ["status", "4"]
    monkeypatch.setattr(portable, "ARITHMETICS", {"here": {}})
    assert portable.main(["-p", "no:cacheprovider", "test_it.py"]) == 0
