"""A real browser opens each chapter from a running JupyterLab, runs it all and moves each slider. And that this would catch a fault."""

import os
from pathlib import Path

import ipywidgets
import jupyter_browser
import notebook_rules
import pytest
from patience import until
from playwright.sync_api import expect

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted(ROOT.glob("chapters/*.ipynb"))

# A panel in the fewest lines, with all that the page shows of a real one; the test can cut its wire or break its way back.
PANEL = """
import io, itertools, ipywidgets
from matplotlib.figure import Figure
def draw(k):
    figure, file = Figure(figsize=(2, 1)), io.BytesIO()
    figure.subplots().plot([0, k])
    figure.savefig(file, format="png")
    return file.getvalue()
count = itertools.count()
image = ipywidgets.Image(value=draw(0), layout=ipywidgets.Layout(width="200px"))
sliders = [ipywidgets.SelectionSlider(options=[0, 1, 2], value=value) for value in (0, 2)]
def redraw(change): image.value = draw({value})
for slider in sliders[:{connected}]: slider.observe(redraw, "value")
panel = ipywidgets.VBox([*sliders, image])
panel.add_class("distral-panel")
panel
"""
# A live panel of ours. Its training ends by itself only after ten minutes: whoever sees it end has stopped it.
LIVE = """
import time
from distral_lite import plotting
from distral_lite.widgets import Scene, Slider, live

def make_scene():
    figure, axes = plotting.new_figure(size=(2, 1))
    (line,) = axes.plot([], [])
    axes.set(xlim=(0, 9), ylim=(0, 50))

    def update(beta, learned):
        line.set_data(range(10), [beta * (1 + (learned or 0))] * 10)
        return f"At {beta} there is {learned or 'nothing'} learned."

    return Scene(figure, update)

def train(watch, beta):
    for step in range(1, 6000):
        time.sleep(0.1)
        if watch(step / 6000, min(step, 5)):
            return

live(make_scene, train, {"beta": Slider((1, 2, 3), 1, "β")})
"""
SMALL = {
    "live": [("1 + 1", []), (LIVE, []), ("'done'", [])],
    "good": [("1 + 1", []), "Text", (PANEL.format(value="sliders[0].value + 3 * sliders[1].value - 6", connected=2), []), ("'done'", [])],
    "error": [("1 + 1", []), ("1 / 0", []), ("'never run'", [])],
    "disconnected": [(PANEL.format(value="sliders[0].value", connected=1), [])],
    "no_way_back": [(PANEL.format(value="next(count) + 1", connected=2), [])],
    "no_slider": [("import ipywidgets\npanel = ipywidgets.VBox([ipywidgets.Image()])\npanel.add_class('distral-panel')\npanel", [])],
}


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """JupyterLab on copies of the chapters and on the small notebooks; from a notebook's name to its address."""
    folder, small, scratch = (tmp_path_factory.mktemp(name) for name in ("notebooks", "small", "jupyter"))
    paths = [notebook_rules.write(small / f"{name}.ipynb", cells) for name, cells in SMALL.items()]
    jupyter_browser.copy_notebooks([*CHAPTERS, *paths], folder)
    with jupyter_browser.jupyter(folder, scratch) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with jupyter_browser.browser() as browser:
        yield browser


@pytest.fixture
def open_notebook(request):
    """A function that opens a notebook, in a browser context of its own."""
    if jupyter_browser.find_browser() is None:
        reason = f"no browser found: none of {', '.join(jupyter_browser.BROWSERS)} is installed"
        (pytest.fail if os.environ.get("DISTRAL_LITE_REQUIRE_BROWSER") else pytest.skip)(reason)
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        pytest.skip("JupyterLab's sliders are looked for as ipywidgets 8 draws them")
    browser, address = request.getfixturevalue("browser"), request.getfixturevalue("address")
    context, opened = browser.new_context(viewport={"width": 1400, "height": 1000}), []

    def open_one(name):
        opened.append(jupyter_browser.NotebookPage(context.new_page(), address(name)))
        return opened[-1]

    yield open_one
    for notebook in opened:
        notebook.shut_down()
    context.close()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_and_its_sliders_redraw(open_notebook, path):
    notebook = open_notebook(path.name)
    assert notebook.run_all() == []
    run, cells = notebook.cells_run()
    assert run == cells
    panels = notebook.panels()
    assert len(panels) == len(notebook_rules.panels(path))
    for panel in panels:
        panel.try_all()


def test_a_good_notebook_passes(open_notebook):
    notebook = open_notebook("good.ipynb")
    assert notebook.run_all() == []
    assert notebook.cells_run() == (3, 3)
    (panel,) = notebook.panels()
    assert len(panel.sliders) == 2
    panel.try_all()


def test_a_live_panel_trains_while_one_watches_and_stops_when_told(open_notebook):
    notebook = open_notebook("live.ipynb")
    assert notebook.run_all() == []  # nothing trains by itself, or this would wait for it
    (panel,) = notebook.panels()
    train, stop = (panel.box.get_by_role("button", name=name) for name in ("Train", "Stop"))
    panel.try_all()
    first = panel.digest()
    train.click()
    until(lambda: panel.digest() != first, "training that redraws the picture")
    expect(train).to_be_disabled()
    expect(panel.box).to_contain_text("there is 5 learned")
    stop.click()
    expect(train).to_be_enabled()
    _, back = panel.directions(panel.sliders[0])  # which moves it one step
    assert panel.press(panel.sliders[0], back) == first  # moving a slider takes away what was learned
    panel.try_all()


def test_an_error_is_caught(open_notebook):
    notebook = open_notebook("error.ipynb")
    (error,) = notebook.run_all()
    assert "ZeroDivisionError" in error
    assert notebook.cells_run() == (2, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [("disconnected", "did not change"), ("no_way_back", "first picture did not return"), ("no_slider", "0 sliders")],
)
def test_a_panel_that_does_not_work_is_caught(open_notebook, name, words):
    notebook = open_notebook(f"{name}.ipynb")
    assert notebook.run_all() == []
    with pytest.raises(jupyter_browser.Refused, match=words):
        for panel in notebook.panels():
            panel.try_all()
