"""How long a reader waits: from the key that moves a slider to the redrawn picture in the browser, per slider of each chapter.

    python benchmarks/slider_latency.py [--presses 30] [chapters/01_....ipynb ...]

Both times are taken by the browser's own clock: when the key arrives in the page, and when the new picture has been decoded and the next
frame is about to be painted. The path in between is the real one: widget, WebSocket, kernel, Matplotlib, PNG, and back.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import jupyter_browser  # noqa: E402 - it lives with the tests, which are no package

# Resolves with the milliseconds from the next key to the frame that shows the next picture; null where none comes.
WATCH = """image => {
    window.latency = new Promise(resolve => {
        let pressed = null;
        const press = event => { pressed ??= event.timeStamp; };
        const finish = value => {
            document.removeEventListener("keydown", press, true);
            image.removeEventListener("load", load);
            resolve(value);
        };
        const load = () => { if (pressed !== null) requestAnimationFrame(now => finish(performance.now() - pressed)); };
        document.addEventListener("keydown", press, true);
        image.addEventListener("load", load);
        setTimeout(() => finish(null), 5000);
    });
}"""


def latencies(panel, slider, presses):
    """Milliseconds of each press that changed the picture, walking the slider to and fro."""
    found = []
    forward, back = panel.directions(slider)
    for _ in range(presses):
        panel.settled()
        if at_the_end(slider, forward):
            forward, back = back, forward
        panel.image.evaluate(WATCH)
        slider.press(forward)
        found.append(panel.page.evaluate("window.latency"))
    return [value for value in found if value is not None]


def at_the_end(slider, key):
    """Whether a slider cannot move further in the direction of a key."""
    now, end = (float(slider.get_attribute(f"aria-value{name}")) for name in ("now", "max" if key == "ArrowRight" else "min"))
    return now == end


def measure(paths, presses):
    """Yields (chapter, number of the panel, number of the slider, latencies) over all sliders."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "notebooks"
        jupyter_browser.copy_notebooks(paths, folder)
        with jupyter_browser.jupyter(folder, scratch) as address, jupyter_browser.browser() as browser:
            for path in paths:
                context = browser.new_context(viewport={"width": 1400, "height": 1000})
                notebook = jupyter_browser.NotebookPage(context.new_page(), address(path.name))
                notebook.run_all()
                for p, panel in enumerate(notebook.panels(), 1):
                    for s, slider in enumerate(panel.sliders, 1):
                        yield path.stem, p, s, latencies(panel, slider, presses)
                notebook.shut_down()
                context.close()


def main():
    """Print one line a slider and the median over all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=sorted((ROOT / "chapters").glob("*.ipynb")), help="notebooks (all chapters)")
    parser.add_argument("--presses", type=int, default=30, help="keys pressed per slider (30)")
    arguments = parser.parse_args()
    every = []
    print(f"{'chapter':40} {'panel':>5} {'slider':>6} {'median ms':>9} {'worst ms':>8} {'n':>4}")
    for chapter, panel, slider, values in measure(arguments.paths, arguments.presses):
        every += values
        if values:
            print(f"{chapter:40} {panel:5} {slider:6} {statistics.median(values):9.0f} {max(values):8.0f} {len(values):4}", flush=True)
        else:
            print(f"{chapter:40} {panel:5} {slider:6} no picture changed", flush=True)
    if every:
        print(f"{'all':40} {'':5} {'':6} {statistics.median(every):9.0f} {max(every):8.0f} {len(every):4}")


if __name__ == "__main__":
    main()
