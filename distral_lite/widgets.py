"""Sliders on pictures, a player of frames, training watched while it runs, and source code shown in a notebook.

A *scene* is a plain function without arguments that draws a figure once and returns `Scene(figure, update)`; `update(**values)`
changes the drawn artists in place and returns one sentence that states what the picture now shows. The same scene gives the panel that
a reader drags and, through `still`, the picture stored under it for readers without a kernel:

    def bandit():
        figure, axes = plotting.new_figure()
        bars = axes.bar(["a", "b"], [0.5, 0.5])

        def update(beta):
            for bar, height in zip(bars, policy(beta)):
                bar.set_height(height)
            return f"At β = {beta:g} the policy takes action a with probability {policy(beta)[0]:.2f}."

        return Scene(figure, update)

    panel(bandit, {"beta": Slider((0.1, 1, 10), 1, "β")})
    still(bandit, beta=1)
"""

import html
import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from distral_lite import plotting


class Scene(NamedTuple):
    """A drawn figure and how it changes.

    Attributes:
        figure: from `plotting.new_figure`.
        update: called with the values of the sliders by name; changes the artists in place and returns the alternative text.
    """

    figure: Figure
    update: Callable[..., str]


class Slider(NamedTuple):
    """One slider.

    Attributes:
        values: the stops, in order: numbers, or texts where what slides is not a number.
        value: the stop it starts on.
        label: the symbol in the text, such as "β".
        unit: written behind the number, such as "steps"; "" for none.
    """

    values: Sequence[float | str]
    value: float | str
    label: str
    unit: str = ""


class Panel(ipywidgets.VBox):
    """Sliders over one picture and its sentence. Made by `panel`, `player` and `live`.

    Attributes:
        sliders: the sliders by the name of their argument.
        image: the one picture.
        caption: the sentence under it: what the picture shows, or what went wrong.
    """

    def __init__(
        self, scene: Scene, sliders: Mapping[str, ipywidgets.SelectionSlider], controls: Sequence[ipywidgets.Widget], width: int | None
    ):
        """Draws the scene once; see `panel`."""
        self._scene, self.sliders = scene, dict(sliders)
        self._text = f"panel: {', '.join(slider.description for slider in self.sliders.values())}"
        sentence = scene.update(**self._values())
        picture = plotting.png(scene.figure, fast=True)
        scene.figure.set_layout_engine("none")  # the layout is found once; finding it again at each redraw is what costs time
        width = f"{round(scene.figure.bbox.width) if width is None else width}px"
        self.image = ipywidgets.Image(value=picture, format="png", layout=ipywidgets.Layout(width=width))
        self.caption = ipywidgets.HTML(layout=ipywidgets.Layout(width=width))
        super().__init__([*controls, self.image, self.caption])
        self.add_class("distral-panel")
        self._say(sentence)
        for slider in self.sliders.values():
            slider.observe(self._redraw, names="value")

    def __repr__(self) -> str:
        """The text stored in a notebook: short, and the same in every run."""
        return f"<{self._text}>"

    def _values(self) -> dict[str, Any]:
        return {name: slider.value for name, slider in self.sliders.items()}

    def _redraw(self, change: Any = None) -> None:
        """Redraws. The front end holds back further moves until this is done and then sends only the last, so none pile up."""
        try:
            sentence = self._scene.update(**self._values())
            self.image.value = plotting.png(self._scene.figure, fast=True)
            self._say(sentence)
        except Exception as error:
            self.caption.value = f"<b>This picture could not be drawn.</b> {type(error).__name__}: {html.escape(str(error))}"

    def _say(self, sentence: str) -> None:
        self.caption.value = f'<span role="status">{html.escape(_sentence(sentence))}</span>'


def _sentence(sentence: Any) -> str:
    if not isinstance(sentence, str) or not sentence.strip():
        raise ValueError(f"update of a scene returned {sentence!r}, wanted a sentence that states what the picture shows")
    return " ".join(sentence.split())


def panel(make_scene: Callable[[], Scene], sliders: Mapping[str, Slider], width: int | None = None) -> Panel:
    """A picture with sliders above it. Focus a slider and press the arrow keys, or drag it.

    Args:
        make_scene: draws the figure and returns its Scene.
        sliders: a Slider for each argument of the scene's update, by name.
        width: width of the picture in the browser, in pixels; None for its own, which is sharpest.

    Returns:
        the Panel; as the last line of a cell it is shown.

    Raises:
        ValueError: if there is no slider, a slider has fewer than two stops or two alike, starts between its stops, or update returns no
            sentence; whatever the first drawing raises.
    """
    if not sliders:
        raise ValueError("panel: sliders is empty, wanted at least one Slider")
    made = {name: _slider(name, spec) for name, spec in sliders.items()}
    return Panel(make_scene(), made, list(made.values()), width)


def _slider(name: str, spec: Slider) -> ipywidgets.SelectionSlider:
    values = list(spec.values)
    if len(values) < 2 or len(set(values)) < len(values):
        raise ValueError(f"panel: slider {name} has the stops {values}, wanted at least two, all different")
    if spec.value not in values:
        raise ValueError(f"panel: slider {name} starts at {spec.value}, wanted one of its stops {values}")
    unit = f" {spec.unit}" if spec.unit else ""
    return _selection([(value if isinstance(value, str) else f"{value:g}{unit}", value) for value in values], spec.value, spec.label)


def _selection(options: list[tuple[str, Any]], value: Any, label: str) -> ipywidgets.SelectionSlider:
    return ipywidgets.SelectionSlider(
        options=options,
        value=value,
        description=label,
        continuous_update=True,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="420px"),
    )


def player(make_scene: Callable[[], Scene], frames: int, label: str = "frame", interval: int = 700, width: int | None = None) -> Panel:
    """A picture with a slider over stored frames ("sweep 3 of 12") and buttons that play them.

    Args:
        make_scene: draws the figure and returns its Scene, whose `update(frame)` takes the frame's number, from 0 to `frames` - 1.
        frames: how many frames there are, at least two.
        label: what a frame is, such as "sweep".
        interval: time between two frames while playing, in milliseconds.
        width: width of the picture in the browser, in pixels; None for its own, which is sharpest.

    Returns:
        the Panel; as the last line of a cell it is shown.

    Raises:
        ValueError: if there are fewer than two frames; whatever the first drawing raises.
    """
    if frames < 2:
        raise ValueError(f"player: frames is {frames}, wanted at least 2")
    last = frames - 1
    slider = _selection([(f"{frame} of {last}", frame) for frame in range(frames)], 0, label)
    play = ipywidgets.Play(min=0, max=last, value=0, interval=interval)
    ipywidgets.jslink((play, "value"), (slider, "index"))
    return Panel(make_scene(), {"frame": slider}, [ipywidgets.HBox([play, slider])], width)


class Live(Panel):
    """A panel whose picture is redrawn while something trains. Made by `live`.

    Attributes:
        start: the button that starts training.
        stop: the button that ends it early.
        progress: the bar, from 0 to 1.
        thread: the last training, or None.
    """

    def __init__(self, scene: Scene, sliders: Mapping[str, ipywidgets.SelectionSlider], width: int | None, train: Callable[..., None]):
        """Draws the scene once, with nothing learned; see `live`."""
        self._train, self._settings, self._learned = train, None, None
        self.thread, self._stopped = None, threading.Event()
        self.start = ipywidgets.Button(description="Train", icon="play", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.progress = ipywidgets.FloatProgress(min=0, max=1, layout=ipywidgets.Layout(width="200px"))
        buttons = ipywidgets.HBox([self.start, self.stop, self.progress])
        super().__init__(scene, sliders, [*sliders.values(), buttons], width)
        self.start.on_click(self._begin)
        self.stop.on_click(lambda _: self._stopped.set())

    def _values(self) -> dict[str, Any]:
        """What the scene is drawn with: the settings of the training that runs, or else the sliders', and what was learned."""
        return {**(self._settings or super()._values()), "learned": self._learned}

    def _redraw(self, change: Any = None) -> None:
        """Redraws. A moved slider takes away what was learned at other settings; while something trains it does nothing."""
        if change is not None:
            if self._settings is not None:
                return
            self._learned, self.progress.value = None, 0
        super()._redraw(change)

    def _begin(self, _: Any) -> None:
        if self._settings is not None:
            return
        self._learned, self._settings = None, super()._values()
        self._stopped.clear()
        self._show_running(True)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._train(self._watch, **self._settings)
        except Exception as error:
            self.caption.value = f"<b>The training failed.</b> {type(error).__name__}: {html.escape(str(error))}"
        finally:
            self._settings = None
            self._show_running(False)

    def _watch(self, done: float, learned: Any) -> bool:
        """Redraws with what has been learned so far; returns whether the reader wants to stop."""
        self._learned, self.progress.value = learned, done
        self._redraw()
        return self._stopped.is_set()

    def _show_running(self, running: bool) -> None:
        self.start.disabled, self.stop.disabled = running, not running
        for slider in self.sliders.values():
            slider.disabled = running


def live(make_scene: Callable[[], Scene], train: Callable[..., None], sliders: Mapping[str, Slider], width: int | None = None) -> Live:
    """A picture with sliders and the buttons Train and Stop: what trains in the kernel redraws it as it goes.

    Nothing trains until the button is pressed. Then training runs in a thread of its own, so that Stop is heard; the sliders are locked
    until it ends. Moving one afterwards takes what was learned off the picture.

    Args:
        make_scene: draws the figure and returns its Scene, whose update takes the sliders' values and `learned`: None before training,
            else what `train` reported last.
        train: called with a function `watch` and the sliders' values by name. It calls `watch(done, learned)` now and then, with the share
            that is done, from 0 to 1, and anything that update understands, and ends soon after watch returned True.
        sliders: a Slider for each setting, by name.
        width: width of the picture in the browser, in pixels; None for its own, which is sharpest.

    Returns:
        the Live panel; as the last line of a cell it is shown.

    Raises:
        ValueError: as `panel`.
    """
    if not sliders:
        raise ValueError("live: sliders is empty, wanted at least one Slider")
    return Live(make_scene(), {name: _slider(name, spec) for name, spec in sliders.items()}, width, train)


def still(make_scene: Callable[[], Scene], **values: Any) -> None:
    """The picture of a panel at given values, stored in the notebook for readers without a kernel.

    Args:
        make_scene: as for `panel`.
        values: the values of the sliders by name; for a player, `frame`; for a live picture also `learned`.

    Raises:
        ValueError: if update returns no sentence.
    """
    scene = make_scene()
    plotting.show(scene.figure, alt=_sentence(scene.update(**values)))


def show_source(*objects: Any) -> None:
    """Shows the source code of functions or classes, as it is in the course's modules.

    Args:
        objects: functions or classes written in Python.

    Raises:
        TypeError: if an object has no Python source.
    """
    source = "\n\n".join(inspect.getsource(item).rstrip() for item in objects)
    fence = "````" if "```" in source else "```"
    display(_Source(source, fence))


class _Source(str):
    """Source code, as IPython displays it; prints as itself where there is no Markdown."""

    def __new__(cls, source: str, fence: str) -> "_Source":
        made = super().__new__(cls, source)
        made.fence = fence
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return f"{self.fence}python\n{self}\n{self.fence}"


def redraw_times(shown: Panel, repeats: int = 20) -> list[float]:
    """How long the kernel takes from a moved slider to new PNG bytes.

    Args:
        shown: a panel; its first slider is moved through its stops.
        repeats: how often it is moved.

    Returns:
        one time a move, in milliseconds.
    """
    slider = next(iter(shown.sliders.values()))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        slider.index = (slider.index + 1) % len(slider.options)
        times.append(1000 * (time.perf_counter() - begin))
    return times
