"""One style for all pictures: colours that a colour-blind reader can tell apart, each with its own line and marker; mazes; curves.

Figures are made by `new_figure` and shown by `show`, which wants alternative text. pyplot never knows them, so a cell shows one only once.
"""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from PIL import Image

# Okabe and Ito's palette, without its yellow, which is too faint for a line on white. Each colour has its own marker, so either tells
# lines apart; the dash of a line is its provenance.
COLOURS = BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
MARKERS = "os^DvPX"
GREY, WALL, DARK_GREEN, DARK_PINK = "#5F6B73", "#6B7177", "#00664A", "#8F3D6B"
VALUES_FROM_TO = ["#F7FBFE", "#C4E0F2", "#79B8E2"]  # light, so that black text stays readable
VALUE_COLOURS = LinearSegmentedColormap.from_list("distral_values", VALUES_FROM_TO).with_extremes(bad="white")
DPI = 110
STEPS = np.array([(0, -1), (0, 1), (-1, 0), (1, 0)], dtype=float)  # [4, 2] x and y of up, down, left, right
REACH = 0.37  # length, in cells, of the arrow of an action of probability 1


def use_style() -> None:
    """Sets Matplotlib's parameters to the course's style. `new_figure` does it for you."""
    mpl.rcParams.update({"figure.dpi": DPI, "savefig.dpi": DPI, "font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True})
    mpl.rcParams.update({"axes.prop_cycle": mpl.cycler(color=COLOURS), "grid.color": "#E3E6E8", "grid.linewidth": 0.7})
    mpl.rcParams.update({"lines.linewidth": 1.8, "lines.markersize": 5, "legend.frameon": False, "legend.fontsize": 9})
    mpl.rcParams["axes.titley"] = 1.0  # to look for a free height instead, at each draw, doubles the time that a slider takes


def new_figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.0, 3.6), **subplots: Any) -> tuple[Figure, Any]:
    """A figure in the course's style, with its axes.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        size: width and height in inches; a picture is 110 pixels an inch.
        subplots: passed on to `Figure.subplots`, such as `sharey=True` or `width_ratios=[2, 1]`.

    Returns:
        the figure and its axes: one Axes, or an array of them as `Figure.subplots` gives.
    """
    use_style()
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **subplots)


def png(figure: Figure, fast: bool = False) -> bytes:
    """The figure as PNG bytes, without a date or a version, so that the same figure gives the same bytes.

    Args:
        figure: from `new_figure`.
        fast: draw in a hurry, for a slider; otherwise the picture is cut to 256 colours, which makes the file three times smaller.

    Returns:
        the bytes of a PNG file.
    """
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture = io.BytesIO()
    if fast:
        image.save(picture, format="png", compress_level=1)
    else:
        # Other methods of choosing the colours lose that of a thin line.
        image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        image.save(picture, format="png", optimize=True)
    return picture.getvalue()


def show(figure: Figure, alt: str) -> None:
    """Shows a figure in the notebook, once, with alternative text.

    The text is stored as the picture's `alt` (which nbconvert's classic template puts into its page; JupyterLab 4.6 does not yet) and as
    the output's plain text (which a terminal shows and nbval compares; it does not compare the picture itself).

    Args:
        figure: from `new_figure`.
        alt: one or two sentences that state the finding, not the kind of chart.

    Raises:
        ValueError: if `alt` is empty.
    """
    alt = " ".join(alt.split()) if isinstance(alt, str) else ""
    if not alt:
        raise ValueError("show: alt is empty, wanted a sentence that states what the picture shows")
    display(_Picture(png(figure), alt))


class _Picture:
    """PNG bytes with alternative text, as IPython displays them; prints as the text where there are no pictures."""

    def __init__(self, picture: bytes, alt: str) -> None:
        self.picture, self.alt = picture, alt

    def __repr__(self) -> str:
        return f"<Figure: {self.alt}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"image/png": self.picture, "text/plain": repr(self)}, {"image/png": {"alt": self.alt}}


class Maze:
    """The artists of a drawn maze, made by `draw_maze`; `update` changes what they show without drawing the maze again.

    Attributes:
        floor: the image whose colours are the values.
        numbers: one text a cell, or none.
        arrows: the moves of the policy, an arrow each; `arrows.U` and `arrows.V` are the probability times `REACH` cells.
        dots: the policy's probability of staying; the diameter is the probability times `REACH` cells.
        circles: the visits; the area is proportional to them, the largest fills a cell.
        path: the line through the visited cells, with a dot where it ends.
    """

    def __init__(self, axes: Axes, world: Any, numbers: str | None, limits: tuple[float, float] | None) -> None:
        """Draws walls, floor, start, goals and traps; everything else is there but empty."""
        self._format, self._limits, self._has_policy = numbers, limits, False
        self._actions = len(getattr(world, "actions", range(5)))
        centres = self._centres = np.array(world.cells)[:, ::-1].astype(float)
        (left, top), (right, bottom) = centres.min(axis=0) - 1, centres.max(axis=0) + 1  # one ring of wall around the cells
        inches = 1.15 * axes.get_position().size * axes.figure.get_size_inches()  # the layout will widen the axes a little
        self._cell = 72 * min(inches / (right - left, bottom - top))  # side of a cell in points
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, color=WALL, linewidth=0, zorder=0))
        corners = centres[:, None] + 0.5 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        self.floor = PolyCollection(corners, cmap=VALUE_COLOURS, edgecolors="#B9C0C5", linewidths=min(0.6, 0.02 * self._cell), zorder=1)
        self.floor.set_array(np.full(len(centres), np.nan))
        axes.add_collection(self.floor)
        round_ = {"units": "xy", "offset_transform": axes.transData}
        self.circles = EllipseCollection([0], [0], [0], offsets=centres, facecolors="#F3C766", edgecolors="#8A5F00", zorder=2, **round_)
        self.dots = EllipseCollection([0], [0], [0], offsets=centres, facecolors=BLACK, edgecolors="none", zorder=4, **round_)
        axes.add_collection(self.circles)
        axes.add_collection(self.dots)
        (self.path,) = axes.plot([], [], color=ORANGE, linewidth=min(2.4, 0.3 * self._cell), solid_joinstyle="round", zorder=3)
        (self._end,) = axes.plot([], [], color=ORANGE, marker="o", markersize=min(7, self._cell), zorder=3)
        from_, none = np.repeat(centres, 4, axis=0), np.zeros(4 * len(centres))
        shape = {"units": "xy", "width": 0.045, "headwidth": 4, "headlength": 4, "headaxislength": 3.6, "minlength": 0, "minshaft": 1.3}
        self.arrows = axes.quiver(*from_.T, none, none, angles="xy", scale_units="xy", scale=1, color=BLACK, zorder=4, **shape)
        for artist in (self.circles, self.dots, self.arrows, self.path, self._end):
            artist.set_visible(False)  # until there is something to show: thousands of empty arrows take their time
        axes.set(xlim=(left - 0.2, right + 0.2), ylim=(bottom + 0.2, top - 0.2), aspect="equal")
        axes.set_axis_off()
        goals = world.goals if hasattr(world, "goals") else (world.goal,)
        marks = [("S", BLUE, (world.start,)), ("G", DARK_GREEN, goals), ("H", DARK_PINK, getattr(world, "traps", ()))]
        for letter, colour, state in ((letter, colour, state) for letter, colour, states in marks for state in states):
            x, y = centres[state]
            axes.add_patch(
                Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, fill=False, edgecolor=colour, linewidth=min(2, 0.15 * self._cell), zorder=2.5)
            )
            size = min(0.27 * self._cell, 11)
            axes.text(x + 0.4, y + 0.42, letter, color=colour, fontsize=size, fontweight="bold", ha="right", va="bottom", zorder=5)
        self.numbers = [axes.text(x, y, "", ha="center", va="center", zorder=5) for x, y in centres] if numbers is not None else []

    def update(self, values: Any = None, policy: Any = None, visits: Any = None, path: Sequence[int] | None = None) -> None:
        """Shows new data in the drawn maze; what is None stays as it is. Arguments and errors are those of `draw_maze`."""
        states = len(self._centres)
        if values is not None:
            self._update_values(_array("values", values, (states,)))
        if policy is not None:
            probability = _array("policy", policy, (states, self._actions))
            length = REACH * probability[:, -4:, None] * STEPS
            self.arrows.set_UVC(length[..., 0].ravel(), length[..., 1].ravel())
            self.arrows.set_visible(True)
            if self._actions == 5:
                _set_diameters(self.dots, REACH * probability[:, 0])
            self._has_policy = True
        if self._has_policy and any(number.get_text() for number in self.numbers[:1]):
            self._make_room()
        if visits is not None:
            visits = _array("visits", visits, (states,))
            if visits.min() < 0:
                raise ValueError(f"draw_maze: visits has {visits.min()}, wanted numbers of at least 0")
            _set_diameters(self.circles, 0.94 * np.sqrt(visits / max(visits.max(), 1e-12)))
        if path is not None:
            points = self._centres[np.asarray(path, dtype=int)]
            self.path.set(data=points.T, visible=True)
            self._end.set(data=points[-1:].T, visible=True)

    def _update_values(self, values: np.ndarray) -> None:
        self.floor.set_array(values)
        low, high = self._limits or (values.min(), values.max())
        self.floor.set_clim(low, high if high > low else low + 1)
        texts = [self._format.format(value) for value in values] if self.numbers else []
        longest = max(map(len, texts), default=1)
        size = min(9, 0.23 * self._cell, 1.3 * self._cell / longest)
        for number, text in zip(self.numbers, texts, strict=True):
            number.set(text=text, fontsize=size)

    def _make_room(self) -> None:
        """Moves the numbers to the top of their cells and the arrows down a little, so that neither covers the other."""
        for number, (x, y) in zip(self.numbers, self._centres, strict=True):
            number.set(position=(x - 0.4, y - 0.43), ha="left", va="top")
        lower = np.add(self._centres, (0, 0.13))
        self.dots.set_offsets(lower)
        self.arrows.set_offsets(np.repeat(lower, 4, axis=0))


def draw_maze(
    axes: Axes,
    world: Any,
    values: Any = None,
    policy: Any = None,
    visits: Any = None,
    path: Sequence[int] | None = None,
    numbers: str | None = "{:z.2f}",
    limits: tuple[float, float] | None = None,
) -> Maze:
    """Draws a maze and, over it, any of: values, a policy, visits, a path.

    Args:
        axes: where to draw.
        world: a `gridworld.GridWorld`, or anything with `cells` ((row, column) of each state), `start`, and `goal` or `goals` (states);
            `traps` (states) and the names of the `actions` where they are not these five.
        values: [S] numbers, as the colour of the cells and as text.
        policy: [S, 5] probabilities of stay, up, down, left, right, as arrows as long as they are probable; stay as a dot. [S, 4],
            without stay, where the world has four actions.
        visits: [S] numbers of at least 0, as circles of proportional area.
        path: states in the order of the visit, as a line.
        numbers: format of the text of a value (z: a negative zero has no sign); None for no text, where arrows or circles say the same.
        limits: values of the lightest and the darkest colour; None for the smallest and the largest of the values shown.

    Returns:
        the Maze, whose `update(values=..., policy=..., ...)` redraws in place.

    Raises:
        ValueError: if a shape does not fit the maze, or a visit is negative.
    """
    maze = Maze(axes, world, numbers, limits)
    maze.update(values, policy, visits, path)
    return maze


def _array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=float)
    if array.shape != shape:
        raise ValueError(f"draw_maze: {name} has shape {array.shape}, wanted {shape}")
    return array


def _set_diameters(circles: EllipseCollection, diameters: np.ndarray) -> None:
    circles.set(widths=diameters, heights=diameters, visible=True)


# Provenance: what kind of truth a line is. A line's kind is kept in its gid and collected by `provenance`.
EXACT, RECORDED = "exact", "recorded by the thesis"
LOOKS = {EXACT: {"linestyle": (0, (5, 3)), "linewidth": 1.4}, RECORDED: {"linestyle": (0, (1, 1.6)), "linewidth": 1.8}}


def draw_band(axes: Axes, x: Any, band: Any, label: str, style: int = 0) -> Line2D:
    """Draws a learned curve: the interquartile mean as a line, its bootstrap band around it.

    Args:
        axes: where to draw.
        x: [T] where the points stand, in the unit of the horizontal axis.
        band: with `centre`, `low` and `high` [T] and the number of `runs`, as `statistics.interquartile_band` gives.
        label: the line's name, written at its end by `label_lines`.
        style: which of `COLOURS` and `MARKERS`; give the same one to the exact line it is compared with.

    Returns:
        the line.
    """
    axes.fill_between(np.asarray(x), band.low, band.high, color=COLOURS[style], alpha=0.2, linewidth=0)
    return _line(axes, x, band.centre, label, f"learned, {band.runs} runs: interquartile mean, 95 % band", style, linestyle="-")


def draw_exact(axes: Axes, y: Any, label: str, x: Any = None, style: int = 0) -> Line2D:
    """Draws an exact prediction as a dashed line.

    Args:
        axes: where to draw.
        y: one number for a level, or [T].
        label: the line's name, written at its end by `label_lines`.
        x: [T] where the points stand; wanted unless `y` is one number.
        style: which of `COLOURS` and `MARKERS`.

    Returns:
        the line.
    """
    return _line(axes, x, y, label, EXACT, style, **LOOKS[EXACT])


def draw_recorded(axes: Axes, y: Any, label: str, x: Any = None, style: int = 6) -> Line2D:
    """Draws what the thesis recorded, as a dotted line; arguments as in `draw_exact`."""
    return _line(axes, x, y, label, RECORDED, style, **LOOKS[RECORDED])


def _line(axes: Axes, x: Any, y: Any, label: str, kind: str, style: int, **look: Any) -> Line2D:
    look |= {"color": COLOURS[style], "label": label, "gid": kind}
    if np.ndim(y) == 0:
        return axes.axhline(float(y), **look)
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.shape != y.shape:
        raise ValueError(f"drawing {label!r}: x has shape {x.shape}, wanted the shape of y, {y.shape}")
    face = "white" if kind == EXACT else look["color"]
    (line,) = axes.plot(x, y, marker=MARKERS[style], markevery=max(1, len(y) // 8), markerfacecolor=face, **look)
    return line


def label_lines(axes: Axes) -> list[Text]:
    """Writes each labelled line's name at its right end, in its colour, moved apart where names would overlap. Call it last.

    Args:
        axes: whose lines to label; the limits of the axes are read now, so set them before.

    Returns:
        the texts, from the lowest to the highest.
    """
    lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    lows = [(axes.get_xlim()[0], line.get_ydata()[-1]) for line in lines]  # where lines end, at an x that every scale of axes can show
    heights = (axes.transData - axes.transAxes).transform(lows)[:, 1]
    ends = sorted(zip(heights, lines, strict=True), key=lambda end: end[0])
    size = mpl.rcParams["font.size"] * 0.95
    height = axes.get_position().height * axes.figure.get_size_inches()[1] * 72
    places = _spread(np.clip([end for end, _ in ends], 0, 1), 1.25 * size / height)
    dark = [0.72 * np.array(to_rgb(line.get_color())) for _, line in ends]  # light colours are hard to read as text
    return [
        axes.text(1.015, place, line.get_label(), color=colour, fontsize=size, va="center", transform=axes.transAxes)
        for place, colour, (_, line) in zip(places, dark, ends, strict=True)
    ]


def _spread(places: np.ndarray, gap: float) -> np.ndarray:
    """Moves sorted places at least `gap` apart, as little as possible: groups that touch are spaced evenly about their mean."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([float(place)])
        while len(groups) > 1:
            (below, above), sizes = (np.mean(groups[-2]), np.mean(groups[-1])), (len(groups[-2]), len(groups[-1]))
            if above - below >= gap * (sizes[0] + sizes[1]) / 2:
                break
            groups[-2:] = [groups[-2] + groups[-1]]
    return np.array([np.mean(group) + gap * (i - (len(group) - 1) / 2) for group in groups for i in range(len(group))])


def provenance(axes: Axes, **legend: Any) -> None:
    """Adds the legend that says what kind of truth each line is: exact, learned over N runs, recorded by the thesis.

    Args:
        axes: whose lines to explain; those drawn by `draw_band`, `draw_exact` and `draw_recorded`.
        legend: passed on to `Axes.legend`, such as `loc="upper right"`.
    """
    kinds = dict.fromkeys(line.get_gid() for line in axes.lines if line.get_gid())
    band = (Patch(color=GREY, alpha=0.25), Line2D([], [], color=GREY))
    axes.legend([Line2D([], [], color=GREY, **LOOKS[kind]) if kind in LOOKS else band for kind in kinds], list(kinds), **legend)
