"""Stored results: small arrays and what they are of, in one file that is written whole or not at all and read without pickles.

A file is an npz of the arrays and of one text, JSON, that says what they are: configuration, seeds, version, machine, and a SHA-256
digest of what is stored. The file ends, as its zip comment, in the SHA-256 checksum of all bytes before: a single changed bit is refused
when the file is read, also where it would change nothing that is stored.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import os
import re
import uuid
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np

_ABOUT = "about.json"  # the member of the npz that holds the text; no array can have this name
_CHECKSUM = 64  # bytes of the checksum, in hexadecimal, with which a file ends
_ARRAY_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")
# Metadata of a setting that came into a configuration after results of it were stored. It is left out of what is stored of a configuration
# while it has its default, which must be what was done before it came; so the old results stay results of the present configuration.
ADDED_LATER = {"added_later": True}
PARTIAL = ".partial"  # ends the name of a temporary file; a killed program may leave one
_KINDS = "biufU"  # bool, whole numbers, floats, text: what needs no pickle and has one meaning on every machine


class Damaged(ValueError):
    """A stored file that is not what was written."""


class Stored(NamedTuple):
    """A stored result.

    Attributes:
        name: its file without the ending.
        about: what the arrays are of: whatever JSON can say, and "digest".
        arrays: by name; the seeds are the first axis.
    """

    name: str
    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


def digest(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256, in hexadecimal, of a result: its text (without "digest") and the names, types, shapes and bytes of its arrays."""
    total = hashlib.sha256(_json({key: value for key, value in about.items() if key != "digest"}).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"\n{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def write(path: str | os.PathLike, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Writes a result whole or not at all: `save` of what `pack` makes.

    Args:
        path: the file, NAME.npz; its folder exists.
        arrays: by name (lower-case words, with one dot at most); anything that NumPy makes an array of numbers, truth values or text.
        about: what JSON can say, with text as keys; "digest" is added.

    Raises:
        ValueError: a name, an array or a text that cannot be stored.
        OSError: the folder cannot be written, or the disk is full; nothing is left behind and an old file stands.
    """
    save(path, pack(arrays, about))


def pack(arrays: Mapping[str, Any], about: Mapping[str, Any]) -> bytes:
    """The bytes of a result's file; the same result gives the same bytes. Arguments and errors as in `write`."""
    arrays = {name: _storable(name, array) for name, array in arrays.items()}
    about = json.loads(_json(about))
    about["digest"] = digest(about, arrays)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member(_ABOUT), _json(about))
        for name, array in arrays.items():
            file = io.BytesIO()
            np.lib.format.write_array(file, array, allow_pickle=False)
            archive.writestr(_member(f"{name}.npy"), file.getvalue())
        archive.comment = bytes(_CHECKSUM)  # keeps its place
    content = buffer.getvalue()[:-_CHECKSUM]
    return content + _checksum(content)


def save(path: str | os.PathLike, content: bytes) -> None:
    """Puts bytes into a file so that a reader, a crash or a full disk at any moment finds the old file or the new one.

    They go to a temporary file beside it, which is synced and renamed; then the folder is synced.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is left behind and an old file stands.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        with open(partial, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def clean(path: str | os.PathLike) -> int:
    """Deletes what killed writers of a file left beside it; call it only where nobody else writes that file. Returns how many."""
    path = Path(path)
    leftovers = list(path.parent.glob(f".{path.name}.*{PARTIAL}"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)


def read(path: str | os.PathLike) -> Stored:
    """Reads a result and checks it against its digest.

    Args:
        path: the file.

    Returns:
        The result, its arrays in the types they were written in.

    Raises:
        OSError: the file is not there or cannot be read.
        Damaged: it is not what was written.
    """
    path = Path(path)
    return _parse(path.read_bytes(), path.name.removesuffix(".npz"), str(path))


def stored(name: str) -> Stored:
    """A result that is shipped with the package, from distral_lite/data/results.

    Args:
        name: for example "d2-sql-45678-tables"; `names()` lists them.

    Returns:
        The result.

    Raises:
        KeyError: no result of that name; the message suggests some.
        Damaged: the file is not what was written.
    """
    if name not in names():
        near = ", ".join(difflib.get_close_matches(name, names(), n=3, cutoff=0.4))
        raise KeyError(f"results.stored: name is {name!r}, wanted one of results.names()" + (f", perhaps {near}" if near else ""))
    return _parse((shelf() / f"{name}.npz").read_bytes(), name, f"the package's {name}.npz")


def names() -> list[str]:
    """The results that are shipped with the package, in alphabetical order."""
    folder = shelf()
    files = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    return sorted(file.removesuffix(".npz") for file in files if file.endswith(".npz") and not file.startswith("."))


def shelf() -> Any:
    """The folder of the shipped results; a Path where the package lies in ordinary files."""
    return resources.files("distral_lite") / "data" / "results"


class Recorded(NamedTuple):
    """What the thesis's author recorded of one training run on one map (public repository clementcmwan/distral_multitask_rl).

    Attributes:
        experiment: the experiment of ours that does the same.
        run: 1, 2, ... where there are several.
        map: number of the maze.
        episodes: how many were recorded.
        steps_1_50: mean length of episodes 1 to 50, as they were played, random actions included.
        steps_101_150: of episodes 101 to 150.
        steps_151_200: of episodes 151 to 200.
        steps_last_50: of the last fifty.
        recorded_as: what the course's makers called the source file.
    """

    experiment: str
    run: int
    map: int
    episodes: int
    steps_1_50: float
    steps_101_150: float
    steps_151_200: float
    steps_last_50: float
    recorded_as: str


def recorded(experiment: str, run: int | None = None) -> list[Recorded]:
    """The figures recorded by the thesis's author that belong to an experiment, by run and map.

    Args:
        experiment: for example "d2-sql-45678".
        run: one of its runs; all if None.

    Returns:
        One entry a run and map, from distral_lite/data/recorded.csv.

    Raises:
        KeyError: nothing was recorded of that name or run.
    """
    text = resources.files("distral_lite").joinpath("data", "recorded.csv").read_text(encoding="utf-8")
    kinds = get_type_hints(Recorded)
    rows = [Recorded(**{name: kinds[name](value) for name, value in row.items()}) for row in csv.DictReader(io.StringIO(text))]
    found = [row for row in rows if row.experiment == experiment and run in (None, row.run)]
    if not found:
        near = ", ".join(difflib.get_close_matches(experiment, {row.experiment for row in rows}, n=3, cutoff=0.4))
        raise KeyError(f"results.recorded: nothing recorded of {experiment!r}, run {run}" + (f"; perhaps {near}" if near else ""))
    return found


def _parse(content: bytes, name: str, place: str) -> Stored:
    """The result in the bytes of a file."""
    wanted = "wanted a file made by results.write"
    if content[-_CHECKSUM:] != _checksum(content[:-_CHECKSUM]):
        raise Damaged(
            f"results.read: {place} is damaged (it does not end in its checksum), {wanted}"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        about = json.loads(members.pop(_ABOUT))
        arrays = {
            member.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(file), allow_pickle=False) for member, file in members.items()
        }
        intact = about["digest"] == digest(about, arrays)
    except Exception as error:  # a damaged file can fail in any of a dozen ways
        raise Damaged(f"results.read: {place} is damaged ({type(error).__name__}: {error}), {wanted}") from error
    if not intact:
        raise Damaged(f"results.read: {place} is damaged (its digest differs from its content), {wanted}")
    return Stored(name, about, arrays)


def _checksum(content: bytes) -> bytes:
    """SHA-256 in hexadecimal, `_CHECKSUM` bytes."""
    return hashlib.sha256(content).hexdigest().encode()


def _storable(name: str, value: Any) -> np.ndarray:
    """An array that is safe to store."""
    if not isinstance(name, str) or not _ARRAY_NAME.fullmatch(name):
        raise ValueError(f"results.write: an array's name is {name!r}, wanted lower-case words like 'durations' or 'probe.durations'")
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in _KINDS:
        raise ValueError(f"results.write: {name} has dtype {array.dtype}, wanted numbers, truth values or text")
    return array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array


def _member(name: str) -> zipfile.ZipInfo:
    """A place in the archive without the time of day or the system's name, so that the same result is the same file."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, also where it is not
    return info


def _json(about: Mapping[str, Any]) -> str:
    """JSON in one spelling."""
    try:
        return json.dumps(about, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"results.write: about is no JSON ({error}), wanted numbers, text, lists and dictionaries") from error


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut, where the system can (POSIX)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
