"""Make (or repair) the virtual environment of the course: `python3 tools/make_venv.py`.

Creates `.venv` and installs the course with its tests under constraints.txt. Calling it again is cheap: a stamp, written last, says
for which files the environment was finished. Without that stamp the environment is a half-made one (a killed pip, a closed lid) and is
made afresh. What a newcomer can put right is said in one sentence; nothing ends in a traceback.

This file must parse on every Python that calls itself `python3`, and on 2.7, or the sentence about an old Python would never be
read: no f-strings, no annotations.
"""

from __future__ import print_function

import hashlib
import io
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "finished")
INPUTS = ("pyproject.toml", "constraints.txt")
OLDEST = (3, 11)

# What pip says when it cannot reach an index. "(from versions: none)": no release at all of a package that certainly has some.
NO_NETWORK = (
    "(from versions: none)",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "Temporary failure in name resolution",
    "NameResolutionError",
    "ReadTimeoutError",
    "ConnectTimeoutError",
    "Connection broken",
    "ProxyError",
)


class Refusal(Exception):
    """Something the user can put right; its text is the whole message."""


def python_of(venv):
    """Path of the interpreter inside a virtual environment."""
    return os.path.join(venv, "Scripts", "python.exe") if os.name == "nt" else os.path.join(venv, "bin", "python")


def fingerprint():
    """What the stamp holds when nothing needs doing: where the environment lies, and a digest of the files it was made from."""
    digest = hashlib.sha256()
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return VENV + "\n" + digest.hexdigest() + "\n"


def read_stamp():
    """The stamp's text, or "" where there is none."""
    try:
        with io.open(STAMP, encoding="utf-8") as file:
            return file.read()
    except (IOError, OSError):
        return ""


def interpreter_runs():
    """Whether the environment's own Python starts: it does not after its base Python was upgraded away."""
    try:
        return subprocess.call([python_of(VENV), "-c", ""]) == 0
    except OSError:
        return False


def check_python():
    """Refuse a Python that is too old, or that comes without venv."""
    found = "%d.%d" % sys.version_info[:2]
    if sys.version_info[:2] < OLDEST:
        raise Refusal(
            "The course needs Python %d.%d or newer and this is %s: install a newer one and name it, "
            "for example `make lab PYTHON=python3.12`." % (OLDEST[0], OLDEST[1], found)
        )
    try:
        import ensurepip  # noqa: F401 - Debian ships venv without it, and venv then fails half-way
        import venv  # noqa: F401
    except ImportError:
        raise Refusal(
            "This Python %s cannot make virtual environments: install its venv module, on Debian and Ubuntu with "
            "`sudo apt install python3-venv`, and run the same command again." % found
        )


def run(command):
    """Run a command, its output shown as it comes; returns its exit status and what it wrote to stderr, which is kept back."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    errors = process.communicate()[1]
    return process.returncode, errors.decode("utf-8", "replace")


def explain(errors):
    """One sentence for a failed installation, from what pip wrote to stderr."""
    if "No space left on device" in errors:
        return "The disk is full: make room (about 1.5 GB; 6 GB for a CUDA build of PyTorch) and run the same command again."
    if any(words in errors for words in NO_NETWORK):
        return "The packages could not be downloaded: check the network, or the index that pip is set to, and run the same command again."
    last = [line for line in errors.splitlines() if line.strip().startswith("ERROR:")] or errors.splitlines() or ["nothing"]
    return "pip could not install the packages; its last words: %s" % last[-1].strip()


def make():
    """Bring `.venv` up to date; raises Refusal with a sentence where it cannot."""
    stamp = read_stamp()
    if stamp == fingerprint() and interpreter_runs():
        return
    check_python()
    # A stamp from this very place: the environment was whole, only its inputs changed. Otherwise start from nothing.
    update = stamp.startswith(VENV + "\n") and interpreter_runs()
    if update:
        print("Bringing .venv up to date ...")
        os.remove(STAMP)  # a kill from here on leaves no stamp, and the next call starts afresh
    else:
        print("Making .venv (a minute or a few; about 1.5 GB) ...")
        sys.stdout.flush()
        status, errors = run([sys.executable, "-m", "venv", "--clear", VENV])
        if status:
            raise Refusal("Python could not make %s: %s" % (VENV, (errors.strip().splitlines() or ["it did not say why"])[-1]))
    sys.stdout.flush()
    status, errors = run([python_of(VENV), "-m", "pip", "install", "-c", "constraints.txt", "-e", ".[test]"])
    if status:
        if update:  # pip undoes its own failures, so the environment is as whole as it was
            write_stamp(stamp)
        raise Refusal(explain(errors))
    write_stamp(fingerprint())


def write_stamp(text):
    """Mark the environment as finished."""
    with io.open(STAMP, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    """Exit status 0 when the environment stands, 1 after a sentence that says why it does not."""
    try:
        make()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped half-way: run the same command again to start afresh.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
