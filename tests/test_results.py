import errno
import hashlib
import json
import os
import zipfile

import numpy as np
import pytest
import torch
from fuzzing import cases

from distral_lite import results

ARRAYS = {
    "durations": np.arange(12, dtype=np.int16).reshape(3, 4),
    "steps": np.array([[1.5, np.nan], [np.inf, -0.0]], dtype=np.float32),
    "probe.steps": np.array([True, False]),
    "words": np.array(["up", "gauche"]),
    "nothing": np.zeros((0, 3)),
    "one": np.float64(2.5),
}
ABOUT = {"seeds": [0, 1, 2], "configuration": {"beta": 5.0, "hidden": None}, "machine": "β"}


def test_what_is_written_is_read(tmp_path):
    results.write(tmp_path / "a.npz", ARRAYS, ABOUT)
    name, about, arrays = results.read(tmp_path / "a.npz")
    assert name == "a" and {key: about[key] for key in ABOUT} == ABOUT
    assert arrays.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        assert arrays[key].dtype == array.dtype
        np.testing.assert_array_equal(arrays[key], array)
    assert os.listdir(tmp_path) == ["a.npz"]


def test_a_file_is_an_npz_without_pickles(tmp_path):
    results.write(tmp_path / "a.npz", ARRAYS, ABOUT)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["durations"], ARRAYS["durations"])
        assert json.loads(file["about.json"])["seeds"] == [0, 1, 2]


def test_tensors_and_other_byte_orders_are_stored_as_plain_arrays(tmp_path):
    parameter = torch.ones(2, requires_grad=True)
    results.write(tmp_path / "a.npz", {"tensor": parameter, "big": np.array([1, 2], dtype=">i4")}, {})
    arrays = results.read(tmp_path / "a.npz").arrays
    assert arrays["tensor"].tolist() == [1, 1] and arrays["big"].tolist() == [1, 2] and arrays["big"].dtype == np.dtype("<i4")


def test_the_same_result_is_the_same_file():
    assert results.pack(ARRAYS, ABOUT) == results.pack(dict(ARRAYS), dict(reversed(ABOUT.items())))


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, about: about.update(seeds=[0, 1, 3]),
        lambda arrays, about: arrays.update(one=np.float64(2.6)),
        lambda arrays, about: arrays.update(durations=ARRAYS["durations"].reshape(4, 3)),
        lambda arrays, about: arrays.update(durations=ARRAYS["durations"].view(np.uint16)),
        lambda arrays, about: arrays.update(two=arrays.pop("one")),
    ],
)
def test_the_digest_knows_every_change(change):
    arrays, about = dict(ARRAYS), dict(ABOUT)
    before = results.digest(about, arrays)
    change(arrays, about)
    assert results.digest(about, arrays) != before
    assert results.digest({**ABOUT, "digest": "x"}, ARRAYS) == before  # it is not of itself


def test_no_changed_bit_passes(tmp_path):
    content = results.pack({"durations": ARRAYS["durations"]}, ABOUT)
    path = tmp_path / "a.npz"
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(results.Damaged, match=r"a\.npz is damaged \(it does not end in its checksum\)"):
            results.read(path)


@pytest.mark.fuzz
def test_no_changed_bit_of_a_shipped_result_passes(tmp_path, monkeypatch):
    generator = np.random.default_rng(5)
    for case in range(cases(300, 10_000)):
        name = results.names()[case % len(results.names())]
        damaged = bytearray((results.shelf() / f"{name}.npz").read_bytes())
        for place in generator.integers(len(damaged), size=generator.choice([1, 1, 2])):
            damaged[place] ^= 1 << int(generator.integers(8))
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(results.Damaged):
            results.read(tmp_path / "a.npz")


@pytest.mark.parametrize("change", [lambda content: content + b"\n", lambda content: b"#!\n" + content, lambda content: content[:-64]])
def test_bytes_around_the_archive_are_refused(tmp_path, change):
    (tmp_path / "a.npz").write_bytes(change(results.pack(ARRAYS, ABOUT)))
    with pytest.raises(results.Damaged, match="checksum"):
        results.read(tmp_path / "a.npz")


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(tmp_path, share):
    content = results.pack(ARRAYS, ABOUT)
    (tmp_path / "a.npz").write_bytes(content[: int(share * len(content))])
    with pytest.raises(results.Damaged, match=r"a\.npz is damaged"):
        results.read(tmp_path / "a.npz")


def sealed(path):
    """Gives a zip that somebody else made the comment it should have: the SHA-256 checksum of all before it, by zipfile's own means."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"0" * 64
    content = path.read_bytes()[:-64]
    path.write_bytes(content + hashlib.sha256(content).hexdigest().encode())


def test_changed_numbers_under_a_right_checksum_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:  # somebody's own zip, every CRC in order
        archive.writestr("about.json", json.dumps({"digest": "0" * 64}))
    sealed(tmp_path / "a.npz")
    with pytest.raises(results.Damaged, match="digest differs"):
        results.read(tmp_path / "a.npz")


def test_pickles_are_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", objects=np.array([{"a": 1}], dtype=object))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("about.json", "{}")
    sealed(tmp_path / "a.npz")
    with pytest.raises(results.Damaged, match="allow_pickle=False"):
        results.read(tmp_path / "a.npz")


def test_a_file_that_is_not_there_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        results.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "arrays, about, words",
    [
        ({"objects": np.array([{}], dtype=object)}, {}, "objects has dtype object"),
        ({"when": np.array(["2020-01-01"], dtype="M8[D]")}, {}, "wanted numbers"),
        ({"about.json": np.ones(2), "Big": np.ones(2)}, {}, "an array's name is 'Big'"),
        ({"a/b": np.ones(2)}, {}, "an array's name is 'a/b'"),
        ({}, {"what": np.ones(2)}, "about is no JSON"),
        ({}, {"what": float("nan")}, "about is no JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, arrays, about, words):
    with pytest.raises(ValueError) as error:
        results.write(tmp_path / "a.npz", arrays, about)
    assert str(error.value).startswith("results.write: ") and words in str(error.value)
    assert os.listdir(tmp_path) == []


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    results.write(tmp_path / "a.npz", {"one": 1}, ABOUT)
    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        results.write(tmp_path / "a.npz", {"one": 2}, ABOUT)
    assert os.listdir(tmp_path) == ["a.npz"]
    assert results.read(tmp_path / "a.npz").arrays["one"] == 1


def test_everything_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda one, other: (order.append("rename"), replace(one, other)))
    results.write(tmp_path / "a.npz", ARRAYS, ABOUT)
    assert order == (["sync", "rename", "sync"] if hasattr(os, "O_DIRECTORY") else ["sync", "rename"])  # the file, the name, the folder


def test_leftovers_of_killed_writers_are_cleaned(tmp_path):
    for name in (".a.npz.0f.partial", ".a.npz.1f.partial", ".b.npz.0f.partial", "a.npz"):
        (tmp_path / name).touch()
    assert results.clean(tmp_path / "a.npz") == 2
    assert sorted(os.listdir(tmp_path)) == [".b.npz.0f.partial", "a.npz"]


def test_shipped_results_are_found_by_name(tmp_path, monkeypatch):
    results.write(tmp_path / "d2-sql-45.npz", {"one": 1}, ABOUT)
    (tmp_path / ".d2-sql-45.npz.0.partial").touch()
    monkeypatch.setattr(results, "shelf", lambda: tmp_path)
    assert results.names() == ["d2-sql-45"]
    assert results.stored("d2-sql-45").arrays["one"] == 1
    with pytest.raises(KeyError, match=r"name is 'd2-sql-54', wanted one of .*, perhaps d2-sql-45"):
        results.stored("d2-sql-54")
    (tmp_path / "d2-sql-45.npz").write_bytes(b"nothing")
    with pytest.raises(results.Damaged, match="the package's d2-sql-45"):
        results.stored("d2-sql-45")


def test_every_shipped_result_is_whole_and_together_they_are_small():
    stored = [results.stored(name) for name in results.names()]
    assert [one.name for one in stored if not {"configuration", "seeds", "version", "machine", "probe"} <= one.about.keys()] == []
    assert [one.name for one in stored if one.about["thesis"].startswith("3") and len(one.about["seeds"]) < 20] == []
    for one in stored:
        assert len(set(one.about["seeds"])) == len(one.about["seeds"]) >= 5, one.name
        assert {name: len(array) for name, array in one.arrays.items() if len(array) != len(one.about["seeds"]) and "." not in name} == {}
    assert sum((results.shelf() / f"{name}.npz").stat().st_size for name in results.names()) < 10_000_000


def test_recorded_figures_by_experiment_run_and_map():
    two = results.recorded("d2-sql-45678")
    assert [(row.run, row.map, row.steps_last_50) for row in two] == [(1, 4, 20.5), (1, 5, 13.9), (1, 6, 8.4), (1, 7, 20.9), (1, 8, 18.1)]
    assert all(row.recorded_as == "distral2_sql" and row.episodes >= 200 for row in two)
    runs = results.recorded("d1-sql-45")
    assert sorted({row.run for row in runs}) == [1, 2, 3]  # twice as itself, once in the study of beta'
    assert results.recorded("d1-sql-45", run=2) == [row for row in runs if row.run == 2]
    assert [row.steps_1_50 for row in results.recorded("lowbeta-2")] == [121.9, 51.1]
    for name, run in (("d2-sq", None), ("d2-sql-45", 9)):
        with pytest.raises(KeyError, match=f"nothing recorded of '{name}', run {run}"):
            results.recorded(name, run)
