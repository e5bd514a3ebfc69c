"""The command line: list, run, report, publish.

Exit status 0: done; 1: something failed; 2: the command makes no sense; 130: interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from distral_lite import results
from distral_lite.experiments import catalogue, executors, publishing, reporting, runner
from distral_lite.experiments.experiment import Claim, Experiment
from distral_lite.experiments.jobs import plan

MOST = 10_000  # seeds, or jobs at once: the files' names have four digits for a seed
TROUBLES = (runner.Stopped, executors.Gone, publishing.Refused, results.Damaged)


class Mistake(Exception):
    """A command that makes no sense; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out one command.

    Args:
        arguments: words of the command line; those of the process if None.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options, *_catalogue(options.catalogue))
    except (Mistake, executors.Unreachable) as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    except TROUBLES as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 1
    except OSError as trouble:
        if trouble.filename is None:
            raise
        print(f"error: {trouble.filename}: {trouble.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: every finished job is kept; run the same command to go on", file=sys.stderr)
        return 130


def _list(options: argparse.Namespace, experiments: Sequence[Experiment], claims: Sequence[Claim]) -> int:
    """Prints the experiments."""
    for experiment in _chosen(options.names, experiments):
        jobs = plan([experiment], options.seeds)
        minutes = sum(job.seconds for job in jobs) / 60
        section = f"§{experiment.thesis}" if experiment.thesis else ""
        print(f"{experiment.name:<28} {experiment.family:<12} {section:<8} {len(jobs):>3} jobs {minutes:>6.1f} min  {experiment.title}")
    return 0


def _run(options: argparse.Namespace, experiments: Sequence[Experiment], claims: Sequence[Claim]) -> int:
    """Does the jobs that are not done."""
    chosen = _chosen(options.names, experiments)
    jobs, folder = plan(chosen, options.seeds), _folder(options.out, chosen)
    with executors.cluster(options.scheduler) if options.scheduler else executors.pool(options.jobs) as crew:
        try:
            failed = runner.run(jobs, folder, crew)
        except runner.Stopped as stop:
            raise runner.Stopped(f"{stop}. Every finished job is kept; run the same command to go on") from stop
    if failed:
        print(f"error: {len(failed)} of {len(jobs)} jobs failed: {', '.join(job.name for job in failed)}", file=sys.stderr)
        return 1
    print(f"all {len(jobs)} jobs are done, in {folder}")
    return 0


def _report(options: argparse.Namespace, experiments: Sequence[Experiment], claims: Sequence[Claim]) -> int:
    """Prints the verdict table."""
    known = {experiment.name: experiment for experiment in experiments}

    @functools.cache
    def find(name: str) -> results.Stored | None:
        if options.out is None:
            return results.stored(name) if name in results.names() else None
        if name not in known or publishing.missing(known[name], options.seeds, Path(options.out)):
            return None
        return publishing.collect(known[name], options.seeds, Path(options.out))

    print(reporting.table(claims, find))
    stored = [name for name in known if find(name)]
    print(f"{len(stored)} of the {len(known)} experiments of the catalogue have a result in {options.out or 'the package'}.")
    return 0


def _publish(options: argparse.Namespace, experiments: Sequence[Experiment], claims: Sequence[Claim]) -> int:
    """Makes shipped results."""
    folder, shelf = Path(options.folder), Path(options.to) if options.to else Path(str(results.shelf()))
    if not folder.is_dir():
        raise Mistake(f"{folder} is no folder, wanted one that `run --out` filled")
    chosen = _chosen(options.names, experiments)
    if not options.names:
        chosen = [one for one in chosen if any(job.path(folder).exists() for job in plan([one], options.seeds))]
    if not chosen:
        raise publishing.Refused(f"{folder} holds no result of the catalogue's experiments")
    try:
        sizes = publishing.publish(chosen, options.seeds, folder, shelf)
    except OSError as error:
        raise publishing.Refused(f"{shelf} cannot be written: {error.strerror}") from error
    for name, size in sizes.items():
        print(f"{size / 1000:8.1f} kB  {name}")
    return 0


def _chosen(names: Sequence[str], experiments: Sequence[Experiment]) -> list[Experiment]:
    """The experiments of some names or families; all where none is named."""
    chosen: dict[str, Experiment] = {}
    for name in names:
        found = [one for one in experiments if name in (one.name, one.family)]
        if not found:
            known = {one.name for one in experiments} | {one.family for one in experiments}
            near = ", ".join(difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.4))
            raise Mistake(f"no experiment or family is called {name!r}" + (f"; near it: {near}" if near else "") + "; `list` shows all")
        chosen |= {one.name: one for one in found}
    return list(chosen.values()) if names else list(experiments)


def _catalogue(module: str | None) -> tuple[Sequence[Experiment], Sequence[Claim]]:
    """The shipped catalogue, or the EXPERIMENTS and CLAIMS of a module of the user's."""
    if module is None:
        return catalogue.load()
    if not all(part.isidentifier() for part in module.split(".")):
        wanted = "the name of a module: mine for a file mine.py whose folder is on PYTHONPATH"
        raise Mistake(f"--catalogue {module}: wanted {wanted}")
    try:
        return catalogue.gather([importlib.import_module(module)])
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and imports what is not
        raise Mistake(f"--catalogue {module}: no such module; is its folder on PYTHONPATH?") from error
    except ValueError as error:
        raise Mistake(f"--catalogue {module}: {error}") from error


def _folder(name: str, experiments: Sequence[Experiment]) -> Path:
    """The output folder and those of the experiments, made and writable."""
    folder = Path(name)
    try:
        for experiment in experiments:
            place = folder / experiment.name
            if place.is_symlink():  # two experiments in one would overwrite each other's files
                words = "is a symbolic link, wanted a folder or nothing there"
                raise Mistake(f"--out {folder}: {place} {words}")
            (folder / experiment.name).mkdir(parents=True, exist_ok=True)
            trial = folder / experiment.name / f".writable{results.PARTIAL}"
            trial.touch()
            trial.unlink(missing_ok=True)
    except OSError as error:
        raise Mistake(f"--out {folder}: cannot be written ({error.strerror}: {error.filename})") from error
    return folder


def _whole(text: str) -> int:
    """A whole number from 1 to MOST."""
    short = text.isdecimal() and len(text) <= len(str(MOST))
    if not short or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to {MOST}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    about = "The thesis's experiments, run, stored and judged."
    parser = argparse.ArgumentParser(prog="python -m distral_lite.experiments", description=about)
    parser.add_argument("--catalogue", metavar="MODULE", help="a module of your own with EXPERIMENTS, in place of the shipped ones")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, help: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=help, description=help)
        one.set_defaults(command=function)
        one.add_argument("--seeds", type=_whole, default=20, help="runs of each experiment: seeds 0, 1, ... (20)")
        return one

    one = command("list", _list, "the experiments: name, family, section, jobs, time on one core, title")
    one.add_argument("names", nargs="*", metavar="NAME", help="experiments or families; all if none is given")
    one = command("run", _run, "do the jobs that are not done yet; run it again after any interruption")
    one.add_argument("names", nargs="*", metavar="NAME", help="experiments or families; all if none is given")
    one.add_argument("--out", default="results", metavar="FOLDER", help="where the results go (results)")
    where = one.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_whole, default=os.cpu_count() or 1, help="how many at once, on this machine (one a processor)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, like tcp://10.0.0.1:8786, to run them on its workers")
    one = command("report", _report, "the verdict table, from the shipped results")
    one.add_argument("--out", metavar="FOLDER", help="from an output folder instead")
    one = command("publish", _publish, "make the shipped results from a finished output folder")
    one.add_argument("folder", metavar="FOLDER", help="what `run --out` filled")
    one.add_argument("names", nargs="*", metavar="NAME", help="experiments or families; all that FOLDER holds if none is given")
    one.add_argument("--to", metavar="FOLDER", help="where they go (the package's data/results)")
    return parser
