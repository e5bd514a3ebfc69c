"""Drives a real JupyterLab in a real Chromium: open a notebook, run all of it, move its sliders by keyboard, look at its pictures.

Used by test_browser.py and by benchmarks/slider_latency.py. Waits here end as soon as there is what they wait for, or in an error after
`patience.HANG`; none of them is a measurement.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import nbformat
from patience import HANG, until
from playwright.sync_api import expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # Chromium refuses to start for root otherwise, and containers often have no other user
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# How JupyterLab marks a traceback (by version, and by what it is made of: as an error or as stderr) and whatever else went to stderr.
ERRORS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"
# All cells in the page at once, not only those in view; no news, no look for updates.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
LIMIT = HANG * 1000  # in milliseconds, as Playwright counts
expect.set_options(timeout=LIMIT)

# Notes which messages of widgets the kernel has not dealt with yet. (Those that a page
# holds back it sends before the signal that its last one is done with.)
WATCH_KERNEL = """() => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const pending = window.unanswered = new Set();
    kernel.anyMessage.connect((_, {direction, msg}) => {
        if (direction === "send" && msg.header.msg_type === "comm_msg") pending.add(msg.header.msg_id);
    });
    kernel.iopubMessage.connect((_, msg) => {
        if (msg.header.msg_type === "status" && msg.content.execution_state === "idle") pending.delete(msg.parent_header.msg_id);
    });
}"""
ALL_ANSWERED = "() => window.unanswered.size === 0"
# The bytes of a picture, as a digest. Its address is replaced while it is redrawn; whoever comes too late tries again.
DIGEST = """async (image, limit) => {
    for (const end = performance.now() + limit;;) {
        try {
            const bytes = await (await fetch(image.src)).arrayBuffer();
            const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
            return Array.from(digest, byte => byte.toString(16).padStart(2, "0")).join("");
        } catch (error) {
            if (performance.now() > end) throw error;
            await new Promise(again => setTimeout(again, 20));
        }
    }
}"""


def find_browser():
    """Path of an installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Refused(AssertionError):
    """A page that does not do what a chapter promises."""


def copy_notebooks(paths, folder):
    """Copy notebooks without outputs and counts, so that nothing that was stored can be taken for a result."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in paths:
        notebook = nbformat.read(path, 4)
        notebook.metadata.pop("widgets", None)
        notebook.metadata.pop("jupytext", None)  # no script beside the copy
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, Path(folder) / Path(path).name)


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def jupyter(folder, scratch):
    """A JupyterLab that serves `folder` and keeps all it writes in `scratch`; yields a function from a notebook's name to its address."""
    places = {name: str(Path(scratch) / name.lower()) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    environment = os.environ | {f"JUPYTER_{name}": place for name, place in places.items()} | {"IPYTHONDIR": str(Path(scratch) / "ipython")}
    lab = {name: Path(scratch) / name for name in ("user_settings_dir", "workspaces_dir")}
    for name, values in SETTINGS.items():
        file = lab["user_settings_dir"] / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0"]
    command += [
        "--LabApp.expose_app_in_browser=True",
        f"--MappingKernelManager.kernel_info_timeout={HANG}",
        f"--ServerApp.websocket_ping_interval={HANG}",  # no browser is taken for gone because it is slow to answer
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        *(f"--LabApp.{name}={place}" for name, place in lab.items()),
    ]
    log = Path(scratch) / "jupyter.log"
    with log.open("w", encoding="utf-8") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_for_server(server, f"http://127.0.0.1:{port}/api/status?token={token}", log)
        yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}?reset&token={token}"
    finally:
        # Not gently: now and then it shuts down and yet does not end. Each page has ended its
        # kernel by then, and a kernel that sees its server gone ends by itself.
        server.kill()
        server.wait()


def wait_for_server(server, address, log):
    """Return when the server answers; raise with its log when it ends, or takes too long."""

    def answers():
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=HANG):  # an URLError is an OSError
            return True

    try:
        until(answers, "JupyterLab", lambda: server.poll() is None)
    except AssertionError as error:
        raise RuntimeError(f"JupyterLab did not come up:\n{log.read_text(encoding='utf-8', errors='replace')}") from error


@contextlib.contextmanager
def browser():
    """A headless Chromium with a profile of its own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), headless=True, args=FLAGS, timeout=LIMIT)
        try:
            yield chromium
        finally:
            chromium.close()


class NotebookPage:
    """One notebook, opened in JupyterLab."""

    def __init__(self, page, address):
        """Open it and wait until its kernel can be used: it is named, and idle. (It is called idle while there is none yet.)"""
        self.page, self.address = page, urllib.parse.urlsplit(address)
        page.set_default_timeout(LIMIT)
        page.goto(address)
        expect(page.locator(".jp-Toolbar-kernelName").first).to_contain_text("Python 3")
        self.wait_until_idle()
        page.evaluate(WATCH_KERNEL)

    def shut_down(self):
        """End the notebook's kernel: a finished chapter's would keep its memory, and whatever it still computes the processor."""
        token = urllib.parse.parse_qs(self.address.query)["token"][0]
        server, headers = f"{self.address.scheme}://{self.address.netloc}/api/sessions", {"Authorization": f"token {token}"}
        for session in self.page.request.get(server, headers=headers).json():
            if self.address.path.endswith(f"/{session['path']}"):
                self.page.request.delete(f"{server}/{session['id']}", headers=headers)

    def wait_until_idle(self):
        """Wait until the kernel has nothing to do."""
        expect(self.page.locator(".jp-Notebook-ExecutionIndicator").first).to_have_attribute("data-status", "idle")

    def run_all(self):
        """Run every cell; returns the errors and warnings that the page then shows, as texts."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator("li[data-command='runmenu:run-all']").click()
        # After an error the cells behind it stay without a number, so the last cell is no sign; no cell still waiting ("[*]") is.
        expect(self.page.locator(".jp-CodeCell .jp-InputPrompt").first).to_have_text(r"[1]:")
        expect(self.page.locator(".jp-CodeCell .jp-InputPrompt", has_text="[*]")).to_have_count(0)
        self.wait_until_idle()
        return self.page.locator(ERRORS).all_inner_texts()

    def cells_run(self):
        """How many code cells show an execution count, and how many there are with anything in them."""
        prompts = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        return sum(text.strip("[]: ").isdigit() for text in prompts), len(prompts)

    def panels(self):
        """The slider panels on the page, drawn."""
        return [Panel(self.page, panel) for panel in self.page.locator(".distral-panel").all()]


class Panel:
    """One `distral-panel`: sliders, and the one picture they redraw."""

    def __init__(self, page, box):
        """Check what a panel is made of."""
        self.page, self.box = page, box
        self.image = box.locator("img.widget-image")
        self.sliders = box.locator(".noUi-handle").all()
        if self.image.count() != 1 or not self.sliders:
            raise Refused(f"a panel has {self.image.count()} pictures, not 1, and {len(self.sliders)} sliders, not at least 1")

    def digest(self):
        """A digest of the picture's bytes now."""
        return self.image.evaluate(DIGEST, LIMIT)

    def settled(self):
        """A digest of the picture once the kernel has dealt with all that the sliders have told it: as redrawn, if it is redrawn."""
        self.page.wait_for_function(ALL_ANSWERED)
        return self.digest()

    def press(self, slider, key):
        """Move a slider by keyboard; a digest of the picture then."""
        slider.press(key)
        return self.settled()

    def try_slider(self, slider):
        """Move a slider one step and back by keyboard: another picture, then the first again."""
        first = self.settled()
        forward, back = self.directions(slider)
        second = self.settled()
        for found, what in (
            (second != first, f"a slider was moved ({forward}) and the picture did not change"),
            (self.press(slider, back) == first, "a slider was moved back and the first picture did not return"),
            (self.press(slider, forward) == second, "a slider was moved forth again and the second picture did not return"),
            (self.press(slider, back) == first, "a slider was moved back again and the first picture did not return"),
        ):
            if not found:
                raise Refused(what)

    def directions(self, slider):
        """Move a slider one step; returns the key that did it and the key that undoes it. At its right end it moves left."""
        keys = ("ArrowRight", "ArrowLeft")
        slider.focus()
        for forward, back in (keys, keys[::-1]):
            before = slider.get_attribute("aria-valuetext")
            slider.press(forward)
            if slider.get_attribute("aria-valuetext") != before:
                return forward, back
        raise Refused("a slider cannot be moved by keyboard")

    def try_all(self):
        """Try every slider of the panel."""
        for slider in self.sliders:
            self.try_slider(slider)
