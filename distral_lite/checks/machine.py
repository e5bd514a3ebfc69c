"""The set-up check of chapter 00: is this machine ready for the course?"""

import importlib.util
import io
import platform
import sys
from importlib import metadata

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

COURSE = "distral_lite"
SLIDERS = (
    "`pip install --upgrade ipywidgets jupyterlab_widgets`, "
    "then close JupyterLab and start it again"
)


def set_up() -> bool:
    """Prints one line an item, yes or no, with what to do where the answer is no.

    Nothing printed depends on versions or places, so that the lines are the same on every healthy machine.

    Returns:
        True if every item is well.
    """
    items = [
        (
            "Python is new enough",
            python_fits,
            "install a newer Python and build the environment again with `make lab`",
        ),
        (
            "all packages are here, in the versions wanted",
            packages_fit,
            "run `make lab` again, or `pip install -e . -c constraints.txt`",
        ),
        (
            "exact arithmetic is exact",
            arithmetic_works,
            "PyTorch is broken here: remove the environment's folder and run `make lab`",
        ),
        (
            "pictures can be drawn",
            drawing_works,
            "Matplotlib is broken here: remove the environment's folder and run `make lab`",
        ),
        (
            "sliders can be shown",
            sliders_work,
            SLIDERS,
        ),
    ]
    well = True
    for title, works, advice in items:
        try:
            answer = works()
        except Exception:
            answer = False
        well = well and answer
        print(f"{title}: yes" if answer else f"{title}: no. What to do: {advice}.")
    return well


def python_fits() -> bool:
    """Whether this Python is in the range that the course's package declares."""
    wanted = metadata.metadata(COURSE).get("Requires-Python") or ""
    return SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)


def packages_fit() -> bool:
    """Whether each package that the course needs at run time is installed in a version within its declared range."""
    needs = [Requirement(line) for line in metadata.requires(COURSE) or []]
    core = [
        need
        for need in needs
        if need.marker is None or need.marker.evaluate({"extra": ""})
    ]
    return len(core) > 0 and all(
        need.specifier.contains(metadata.version(need.name), prereleases=True)
        for need in core
    )


def arithmetic_works() -> bool:
    """Whether float64 solves a Bellman equation of two states as one does by hand.

    State 0 earns 1 and goes to either state with even chances, state 1 earns 0 and goes to state 0; with discount 1/2,
    v₀ = 1 + v₀/4 + v₁/4 and v₁ = v₀/2, hence v₀ = 8/5 and v₁ = 4/5.
    """
    transition = torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=torch.float64)
    reward = torch.tensor([1.0, 0.0], dtype=torch.float64)
    values = torch.linalg.solve(
        torch.eye(2, dtype=torch.float64) - 0.5 * transition, reward
    )
    return bool(
        (values - torch.tensor([1.6, 0.8], dtype=torch.float64)).abs().max() < 1e-14
    )


def drawing_works() -> bool:
    """Whether Matplotlib draws a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    figure.subplots().plot([0, 1], [0, 1])
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue().startswith(b"\x89PNG")


def sliders_work() -> bool:
    """Whether ipywidgets and its half for JupyterLab are installed and fit each other.

    JupyterLab draws nothing where one is of ipywidgets 7 and the other of 8. Colab has such a
    pair, and draws the sliders itself.
    """
    if importlib.util.find_spec("ipywidgets") is None:
        return False
    if "google.colab" in sys.modules:
        return True
    kernel, page = (
        int(metadata.version(name).split(".")[0])
        for name in ("ipywidgets", "jupyterlab_widgets")
    )
    return (kernel >= 8) == (page >= 3)
