import ast
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import nbformat
import numpy as np
import pytest
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from patience import HANG
from PIL import Image

from distral_lite import plotting, widgets
from distral_lite.widgets import Scene, Slider, live, panel, player, still

SLIDERS = {"beta": Slider((0.1, 1, 10), 1, "β"), "alpha": Slider((0, 0.5), 0.5, "α", "nats")}


def bars(drawn=None):
    figure, axes = plotting.new_figure(size=(3, 2))
    bar = axes.bar(["a", "b"], [0.5, 0.5])
    axes.set_ylim(0, 1)

    def update(beta, alpha=0.5):
        if beta == 10 and alpha == 0:
            raise ArithmeticError("<10 & 0>")
        share = 1 / (1 + np.exp(-beta * (1 + alpha)))
        bar[0].set_height(share)
        bar[1].set_height(1 - share)
        if drawn is not None:
            drawn.append((beta, alpha))
        return f"At β = {beta:g} and α = {alpha:g} action a has probability {share:.2f}."

    return Scene(figure, update)


def test_panel_redraws_and_moves_back_bit_for_bit():
    shown = panel(bars, SLIDERS)
    slider, first = shown.sliders["beta"], shown.image.value
    assert bytes(first).startswith(b"\x89PNG")
    slider.value = 10
    second = shown.image.value
    slider.value = 0.1
    assert len({first, second, shown.image.value}) == 3
    slider.value = 10
    assert shown.image.value == second
    slider.value = 1
    assert shown.image.value == first
    shown.sliders["alpha"].value = 0
    assert shown.image.value != first


def test_panel_draws_what_a_fresh_drawing_draws():
    shown = panel(bars, SLIDERS)
    shown.sliders["beta"].value = 0.1
    scene = bars()
    scene.update(beta=0.1, alpha=0.5)
    assert shown.image.value == plotting.png(scene.figure, fast=True)


def test_panel_draws_once_a_move():
    drawn = []
    shown = panel(lambda: bars(drawn), SLIDERS)
    shown.sliders["beta"].value = 10
    shown.sliders["beta"].value = 10
    shown.sliders["alpha"].index = 1
    assert drawn == [(1, 0.5), (10, 0.5)]


def test_panel_says_what_the_picture_shows():
    shown = panel(bars, SLIDERS)
    assert "At β = 1 and α = 0.5 action a has probability 0.82." in shown.caption.value
    shown.sliders["beta"].value = 0.1
    assert "At β = 0.1 " in shown.caption.value and "At β = 1 " not in shown.caption.value


def test_panel_keeps_its_picture_and_says_so_when_update_fails():
    shown = panel(bars, SLIDERS)
    shown.sliders["beta"].value = 10
    last = shown.image.value
    shown.sliders["alpha"].value = 0
    assert shown.image.value == last
    assert "could not be drawn" in shown.caption.value and "ArithmeticError: &lt;10 &amp; 0&gt;" in shown.caption.value
    shown.sliders["beta"].value = 1
    assert shown.image.value != last and "could not be drawn" not in shown.caption.value


def test_panel_is_what_a_browser_test_looks_for():
    shown = panel(bars, SLIDERS, width=500)
    assert "distral-panel" in shown._dom_classes
    assert [type(child) for child in shown.children] == [ipywidgets.SelectionSlider] * 2 + [ipywidgets.Image, ipywidgets.HTML]
    assert shown.image.layout.width == "500px" and shown.image.format == "png"
    assert panel(bars, SLIDERS).image.layout.width == "330px"  # 3 inches of 110 pixels: as sharp as it is drawn
    beta, alpha = shown.children[:2]
    assert (beta.description, alpha.description) == ("β", "α") and beta.continuous_update
    assert [label for label, _ in beta.options] == ["0.1", "1", "10"] and [label for label, _ in alpha.options] == ["0 nats", "0.5 nats"]


def test_panel_is_stored_as_a_short_text():
    assert repr(panel(bars, SLIDERS)) == "<panel: β, α>"


@pytest.mark.parametrize(
    "sliders, words",
    [
        ({}, "sliders is empty"),
        ({"beta": Slider((1,), 1, "β")}, "slider beta has the stops [1], wanted at least two"),
        ({"beta": Slider((1, 2, 2), 1, "β")}, "wanted at least two, all different"),
        ({"beta": Slider((1, 2), 3, "β")}, "slider beta starts at 3, wanted one of its stops [1, 2]"),
    ],
)
def test_panel_refuses(sliders, words):
    with pytest.raises(ValueError) as error:
        panel(bars, sliders)
    assert words in str(error.value)


@pytest.mark.parametrize("sentence", [None, " ", 7])
def test_an_update_without_a_sentence_is_refused(sentence):
    figure, _ = plotting.new_figure(size=(2, 1))
    for use in (lambda make: panel(make, SLIDERS), lambda make: still(make, beta=1, alpha=1)):
        with pytest.raises(ValueError, match="wanted a sentence that states what the picture shows"):
            use(lambda: Scene(figure, lambda **values: sentence))


def test_still_is_the_panels_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", shown.append)
    still(bars, beta=10, alpha=0.5)
    (picture,) = shown
    assert picture.alt == "At β = 10 and α = 0.5 action a has probability 1.00."
    moved = panel(bars, SLIDERS)
    moved.sliders["beta"].value = 10
    small, full = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int) for data in (picture.picture, moved.image.value))
    assert small.shape == full.shape and np.abs(small - full).mean() < 1  # but for the number of colours


def frames():
    figure, axes = plotting.new_figure(size=(2, 2))
    (line,) = axes.plot([], [])
    axes.set(xlim=(0, 3), ylim=(0, 9))

    def update(frame):
        line.set_data(range(frame + 1), [x * x for x in range(frame + 1)])
        return f"After {frame} sweeps the line ends at {frame * frame}."

    return Scene(figure, update)


def test_player(monkeypatch):
    links, link = [], ipywidgets.jslink
    monkeypatch.setattr(ipywidgets, "jslink", lambda *ends: links.append(ends) or link(*ends))
    shown = player(frames, 4, "sweep", interval=250)
    slider = shown.sliders["frame"]
    assert [label for label, _ in slider.options] == ["0 of 3", "1 of 3", "2 of 3", "3 of 3"] and slider.description == "sweep"
    box, image, _ = shown.children
    play, inner = box.children
    assert inner is slider and image is shown.image and "distral-panel" in shown._dom_classes
    assert (play.min, play.max, play.interval) == (0, 3, 250)
    assert links == [((play, "value"), (slider, "index"))]
    first = image.value
    slider.index = 2
    assert image.value != first and "After 2 sweeps the line ends at 4." in shown.caption.value
    assert repr(shown) == "<panel: sweep>"
    with pytest.raises(ValueError, match="frames is 1, wanted at least 2"):
        player(frames, 1)


def learning_curve():
    """What `live` draws in these tests: a curve of what was learned, and how high it will go."""
    figure, axes = plotting.new_figure(size=(3, 2))
    (line,), level = axes.plot([], []), axes.axhline(1)
    axes.set(xlim=(0, 4), ylim=(0, 30))

    def update(beta, learned):
        level.set_ydata([beta, beta])
        line.set_data(range(len(learned or [])), learned or [])
        return f"At β = {beta:g}: {'nothing' if learned is None else learned} learned."

    return Scene(figure, update)


def in_four_steps(watch, beta):
    curve = []
    for step in range(1, 5):
        curve.append(beta * step)
        if watch(step / 4, list(curve)):
            return


LIVE = {"beta": Slider((1, 2, 5), 2, "β")}


def test_live_trains_when_told_and_shows_what_is_learned():
    shown = live(learning_curve, in_four_steps, LIVE)
    first = shown.image.value
    assert shown.thread is None and "At β = 2: nothing learned." in shown.caption.value and repr(shown) == "<panel: β>"
    shown.start.click()
    shown.thread.join()
    assert "At β = 2: [2, 4, 6, 8] learned." in shown.caption.value and shown.progress.value == 1
    learned = shown.image.value
    assert learned != first and not shown.start.disabled and shown.stop.disabled and not shown.sliders["beta"].disabled
    shown.sliders["beta"].value = 5  # what was learned at another setting is taken away
    assert "At β = 5: nothing learned." in shown.caption.value and shown.progress.value == 0
    shown.sliders["beta"].value = 2
    assert shown.image.value == first
    shown.start.click()
    shown.thread.join()
    assert shown.image.value == learned


def test_live_stops_when_told():
    reached, go_on, answers = threading.Event(), threading.Event(), []

    def train(watch, beta):
        answers.append(watch(0.25, [beta]))
        reached.set()
        go_on.wait(HANG)
        answers.append(watch(0.5, [beta, beta]))

    shown = live(learning_curve, train, LIVE)
    shown.start.click()
    assert reached.wait(HANG)
    thread = shown.thread
    assert shown.start.disabled and not shown.stop.disabled and shown.sliders["beta"].disabled
    shown.start.click()  # a second click starts nothing
    shown.sliders["beta"].value = 5  # and a slider that moves all the same changes no picture of a training at 2
    assert shown.thread is thread and "At β = 2: [2] learned." in shown.caption.value
    shown.stop.click()
    go_on.set()
    thread.join()
    assert answers == [False, True] and "At β = 2: [2, 2] learned." in shown.caption.value and shown.progress.value == 0.5
    assert not shown.start.disabled and shown.stop.disabled


def test_live_says_so_when_training_fails_and_can_start_again():
    def train(watch, beta):
        raise ArithmeticError("<no>")

    shown = live(learning_curve, train, LIVE)
    for _ in range(2):
        shown.start.click()
        shown.thread.join()
        assert "The training failed." in shown.caption.value and "ArithmeticError: &lt;no&gt;" in shown.caption.value
        assert not shown.start.disabled
    with pytest.raises(ValueError, match="live: sliders is empty"):
        live(learning_curve, train, {})


def test_live_is_what_a_browser_test_looks_for():
    shown = live(learning_curve, in_four_steps, LIVE)
    slider, buttons, image, _ = shown.children
    assert "distral-panel" in shown._dom_classes and image is shown.image and slider is shown.sliders["beta"]
    assert buttons.children == (shown.start, shown.stop, shown.progress)
    assert [button.description for button in buttons.children[:2]] == ["Train", "Stop"]


def test_show_source(monkeypatch):
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    widgets.show_source(plotting.use_style, widgets.still)
    (source,) = shown
    functions = ast.parse(repr(source)).body
    assert [function.name for function in functions] == ["use_style", "still"] and ast.get_docstring(functions[1])
    assert source._repr_markdown_() == f"```python\n{source}\n```"
    with pytest.raises(TypeError):
        widgets.show_source(len)


def test_a_maze_is_redrawn_without_more_work_than_it_takes(monkeypatch):
    """Each move draws the picture once, of the artists that are there, in the layout that was found at first."""
    rows = ("##########", *["#S.####..#"], *["#..####..#"] * 2, "#........#", *["#..####..#"] * 2, "#..####.G#", "##########")
    cells = [(r, c) for r, row in enumerate(rows) for c, character in enumerate(row) if character != "#"]
    world = SimpleNamespace(rows=rows, cells=cells, start=0, goal=len(cells) - 1)
    assert len(cells) == 32

    def make_scene():
        figure, axes = plotting.new_figure(size=(5, 5))
        maze = plotting.draw_maze(axes, world, limits=(0, 1))

        def update(beta):
            policy = np.exp(beta * np.array([0.2, 1.0, 0.5, 0.1, 0.9]))
            policy /= policy.sum()
            maze.update(values=np.full(32, policy[1]), policy=np.tile(policy, (32, 1)))
            return f"Up has probability {policy[1]:.2f}."

        return Scene(figure, update)

    shown = panel(make_scene, {"beta": Slider((0.1, 1, 10), 1, "β")})
    figure, drawn = shown._scene.figure, []
    monkeypatch.setattr(figure.canvas, "draw", lambda draw=figure.canvas.draw: drawn.append(draw()))
    artists = figure.findobj()
    for move in range(12):
        shown.sliders["beta"].index = move % 2
    assert len(drawn) == 12
    assert figure.findobj() == artists
    assert isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine)  # the layout is not found again
    assert len(widgets.redraw_times(shown, repeats=2)) == 2


NOTEBOOK = """
from distral_lite import plotting
from distral_lite.widgets import Scene, Slider, live, panel, player, show_source, still

def scene():
    figure, axes = plotting.new_figure(size=(3, 2))
    bars = axes.bar(["a", "b"], [0.5, 0.5])
    def update(frame):
        bars[0].set_height(frame)
        return f"Bar a is {frame} high."
    return Scene(figure, update)
#cell
panel(scene, {"frame": Slider((0, 1, 2), 1, "β")})
#cell
player(scene, 3, "sweep")
#cell
def watched():
    drawn = scene()
    return Scene(drawn.figure, lambda frame, learned: drawn.update(frame if learned is None else learned))
shown = live(watched, lambda watch, frame: watch(1, 2), {"frame": Slider((0, 1, 2), 1, "β")})
shown
#cell
shown.start.click()
shown.thread.join()
#cell
still(scene, frame=1)
#cell
show_source(scene, plotting.show)
"""


def run(*command):
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, encoding="utf-8", timeout=HANG, env=environment)


def test_outputs_hold_under_nbval_and_stay_small(tmp_path):
    path = tmp_path / "tiny.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source.strip()) for source in NOTEBOOK.split("#cell")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    settings = {"store_widget_state": False, "timeout": HANG, "startup_timeout": HANG, "iopub_timeout": HANG}
    words = [f"--ExecutePreprocessor.{name}={value}" for name, value in settings.items()]
    done = run("jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", *words, str(path))
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size < 40_000 and "0x" not in path.read_text(encoding="utf-8")

    outputs = [cell["outputs"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert [len(shown) for shown in outputs] == [0, 1, 1, 1, 0, 1, 1]
    texts = ["".join(shown[0]["data"]["text/plain"]) for shown in [*outputs[1:4], outputs[5]]]
    assert texts == ["<panel: β>", "<panel: sweep>", "<panel: β>", "<Figure: Bar a is 1 high.>"]
    views = [shown[0]["data"].get("application/vnd.jupyter.widget-view+json") for shown in outputs[1:4]]
    assert all(view["model_id"] for view in views)  # beside the text, what a page with a kernel draws
    assert outputs[5][0]["metadata"] == {"image/png": {"alt": "Bar a is 1 high."}}
    assert "".join(outputs[6][0]["data"]["text/markdown"]).startswith("```python\ndef scene():")

    plugins = ("-p", "patience", "-p", "no:cacheprovider")
    strict = ("pytest", "-q", *plugins, "--nbval", "--nbval-current-env", "--rootdir", str(tmp_path), str(path))
    held = run(*strict)
    assert held.returncode == 0, held.stdout
    page = run("jupyter", "nbconvert", "--to", "html", "--template", "classic", "--stdout", str(path))
    assert 'alt="Bar a is 1 high."' in page.stdout

    path.write_text(path.read_text(encoding="utf-8").replace("Bar a is 1 high.>", "Bar a is 2 high.>"), encoding="utf-8")
    assert run(*strict).returncode == 1
