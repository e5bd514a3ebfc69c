import io
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from distral_lite import plotting
from distral_lite.statistics import Band

ROWS = ("#####", "#S.G#", "#.#.#", "#####")
WORLD = SimpleNamespace(rows=ROWS, cells=[(1, 1), (1, 2), (1, 3), (2, 1), (2, 3)], start=0, goal=2)
POLICY = np.array([[0, 0, 0.25, 0, 0.75], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 1, 0, 0, 0]])


def maze_of(**options):
    figure, axes = plotting.new_figure(size=(3, 3))
    return figure, axes, plotting.draw_maze(axes, WORLD, **options)


def pixels(figure):
    return np.asarray(Image.open(io.BytesIO(plotting.png(figure, fast=True)))).astype(int)


def linear_light(colour):
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]


def test_arrows_are_as_long_as_their_probability():
    _, _, maze = maze_of(policy=torch.tensor(POLICY))
    across, down = (np.asarray(part).reshape(5, 4) for part in (maze.arrows.U, maze.arrows.V))
    assert not np.any(maze.arrows.Umask)
    np.testing.assert_allclose(np.hypot(across, down), plotting.REACH * POLICY[:, 1:], atol=1e-12)
    np.testing.assert_allclose(maze.dots.get_widths(), plotting.REACH * POLICY[:, 0], atol=1e-12)
    assert maze.arrows.get_visible() and maze.dots.get_visible() and not maze.circles.get_visible()


def test_arrows_point_where_their_action_goes():
    # Rows grow downwards in the picture: up is a smaller y in data, a larger one on the screen.
    figure, axes, maze = maze_of(policy=np.tile(np.array([0, 0.25, 0.25, 0.25, 0.25]), (5, 1)))
    figure.canvas.draw()
    for action, (across, up) in enumerate([(0, 1), (0, -1), (-1, 0), (1, 0)]):
        start = axes.transData.transform((0, 0))
        tip = axes.transData.transform((maze.arrows.U[action], maze.arrows.V[action]))
        np.testing.assert_array_equal(np.sign(np.round(tip - start, 6)), (across, up))


def test_an_arrow_is_drawn_with_its_length():
    # A single arrow to the right of probability 1, 0.5: how far its ink reaches from the middle of the cell.
    reach = {}
    for probability in (1.0, 0.5):
        policy = np.zeros((5, 5))
        policy[1, 4] = probability
        figure, axes, _ = maze_of()
        before = pixels(figure)
        figure, axes, _ = maze_of(policy=policy)
        after = pixels(figure)
        ink = np.argwhere(np.abs(after - before).max(axis=-1) > 60)
        cell = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
        reach[probability] = (ink[:, 1].max() - axes.transData.transform((2, 1))[0]) / cell
    assert reach[1.0] == pytest.approx(plotting.REACH, abs=0.04) and reach[0.5] == pytest.approx(plotting.REACH / 2, abs=0.04)


def test_circles_have_the_area_of_the_visits():
    _, _, maze = maze_of(visits=[0, 1, 4, 2, 1])
    widths = maze.circles.get_widths()
    np.testing.assert_allclose(widths**2 / widths[2] ** 2, [0, 0.25, 1, 0.5, 0.25])
    assert 0.9 < widths[2] < 1
    _, _, nobody = maze_of(visits=np.zeros(5))
    assert not nobody.circles.get_widths().any()


def test_values_are_numbers_and_colours():
    _, _, maze = maze_of(values=torch.tensor([-3.0, -2.0, 0.0, -4.0, -1.0], requires_grad=True), numbers="{:.1f}", limits=(-5, 0))
    assert [number.get_text() for number in maze.numbers] == ["-3.0", "-2.0", "0.0", "-4.0", "-1.0"]
    assert maze.floor.get_clim() == (-5, 0)
    shades = [sum(to_rgb(maze.floor.cmap(maze.floor.norm(value)))) for value in (-4, -3, -2, -1, 0)]
    assert shades == sorted(shades, reverse=True) and len(set(shades)) == 5
    maze.update(values=np.full(5, 2.0))
    assert {number.get_text() for number in maze.numbers} == {"2.0"}


def test_black_numbers_can_be_read_on_every_colour():
    for share in np.linspace(0, 1, 11):
        luminance = np.dot([0.2126, 0.7152, 0.0722], linear_light(plotting.VALUE_COLOURS(share)))
        assert (luminance + 0.05) / 0.05 > 7  # WCAG's stricter demand


def test_numbers_keep_clear_of_arrows_and_of_each_other():
    figure, _, maze = maze_of(values=np.full(5, -12.345), policy=POLICY)
    figure.canvas.draw()
    boxes = [number.get_window_extent() for number in maze.numbers]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    lowest = min(box.y0 for box in boxes[:3])
    top = maze.arrows.get_offsets()[:, 1].min() - plotting.REACH  # the cells of the upper row
    assert maze.arrows.axes.transData.transform((0, top))[1] < lowest + 1  # the longest arrow upwards ends below the number


def test_path_goes_through_the_middle_of_cells():
    _, _, maze = maze_of(path=[3, 0, 1, 2, 4])
    np.testing.assert_array_equal(maze.path.get_xydata(), [(1, 2), (1, 1), (2, 1), (3, 1), (3, 2)])


def test_start_and_goal_are_named():
    _, axes, _ = maze_of()
    texts = {text.get_text(): text.get_position() for text in axes.texts if text.get_text()}
    assert set(texts) == {"S", "G"}
    assert np.round(texts["S"]).tolist() == [1, 1] and np.round(texts["G"]).tolist() == [3, 1]


def test_update_in_place_is_drawing_anew():
    policy, values, other = POLICY, np.arange(5.0), np.arange(5.0)[::-1].copy()
    figure, _, maze = maze_of(values=other, policy=POLICY[::-1], visits=other, path=[0, 1], limits=(0, 4))
    maze.update(values=values, policy=policy, visits=values, path=[2, 4])
    fresh, _, _ = maze_of(values=values, policy=policy, visits=values, path=[2, 4], limits=(0, 4))
    assert plotting.png(figure) == plotting.png(fresh)
    maze.update(values=other)
    assert plotting.png(figure) != plotting.png(fresh)


@pytest.mark.parametrize(
    "data, words",
    [
        ({"values": np.zeros(4)}, "values has shape (4,), wanted (5,)"),
        ({"policy": np.zeros((5, 4))}, "policy has shape (5, 4), wanted (5, 5)"),
        ({"visits": np.zeros((5, 1))}, "visits has shape (5, 1), wanted (5,)"),
        ({"visits": [0, 0, -1, 0, 0]}, "visits has -1.0, wanted numbers of at least 0"),
    ],
)
def test_maze_refuses(data, words):
    with pytest.raises(ValueError) as error:
        maze_of(**data)
    assert str(error.value) == f"draw_maze: {words}"


BAND = Band(np.array([3.0, 2.0, 1.0]), np.array([2.5, 1.5, 0.5]), np.array([3.5, 2.5, 1.5]), 20)


def test_curves_and_their_provenance():
    _, axes = plotting.new_figure()
    learned = plotting.draw_band(axes, [0, 1, 2], BAND, "Q-learning", style=1)
    exact = plotting.draw_exact(axes, 1.5, "optimal", style=1)
    recorded = plotting.draw_recorded(axes, [3, 2, 2], "thesis", x=[0, 1, 2])
    assert learned.get_linestyle() == "-" and exact.get_linestyle() == "--" and recorded.get_linestyle() == "--"
    assert exact._unscaled_dash_pattern[1] == (5, 3) and recorded._unscaled_dash_pattern[1] == (1, 1.6)
    np.testing.assert_array_equal(learned.get_xydata(), [(0, 3), (1, 2), (2, 1)])
    edge = axes.collections[0].get_paths()[0].vertices
    assert {(0.0, 2.5), (0.0, 3.5), (2.0, 0.5), (2.0, 1.5)} <= {tuple(point) for point in edge.tolist()}
    plotting.provenance(axes)
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["learned, 20 runs: interquartile mean, 95 % band", "exact", "recorded by the thesis"]


def test_exact_curve_of_the_wrong_length_is_refused():
    _, axes = plotting.new_figure()
    with pytest.raises(ValueError, match=r"'optimal': x has shape \(2,\), wanted the shape of y, \(3,\)"):
        plotting.draw_exact(axes, [1, 2, 3], "optimal", x=[1, 2])


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_labels_stand_at_the_ends_without_overlap(scale):
    figure, axes = plotting.new_figure()
    for style, level in enumerate((1.0, 1.01, 1.02, 9.0)):
        plotting.draw_exact(axes, [5.0, level], f"line {style}", x=[0, 1], style=style)
    axes.set(yscale=scale, ylim=(0.5, 10))
    texts = plotting.label_lines(axes)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in texts]
    assert [text.get_text() for text in texts] == ["line 0", "line 1", "line 2", "line 3"]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in box.get_points())
    height = axes.transData.transform((0, 9.0))[1]  # alone, so at the very end of its line
    assert (boxes[3].y0 + boxes[3].y1) / 2 == pytest.approx(height, abs=3)


def test_spread_moves_as_little_as_possible():
    np.testing.assert_allclose(plotting._spread(np.array([0.1, 0.5, 0.9]), 0.1), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(plotting._spread(np.array([0.5, 0.5]), 0.1), [0.45, 0.55])
    np.testing.assert_allclose(plotting._spread(np.array([0.40, 0.52, 0.52]), 0.1), [0.38, 0.48, 0.58])
    assert len(plotting._spread(np.array([]), 0.1)) == 0


def test_colours_differ_for_the_colour_blind():
    # Machado, Oliveira and Fernandes 2009, severity 1: what remains of a linear colour for protanopes and deuteranopes.
    remains = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    linear = np.array([linear_light(colour) for colour in plotting.COLOURS])
    for matrix in remains.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(len(seen))
        assert distances.min() > 0.1
    assert len(set(plotting.MARKERS)) == len(plotting.MARKERS) == len(set(plotting.COLOURS))


def test_show_displays_one_picture_with_its_text(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", shown.append)
    figure, axes = plotting.new_figure(size=(2, 1))
    axes.plot([0, 1])
    plotting.show(figure, alt="The line\n  rises.")
    (picture,) = shown
    data, metadata = picture._repr_mimebundle_(include=None, exclude=None)
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == repr(picture) == "<Figure: The line rises.>"
    assert metadata == {"image/png": {"alt": "The line rises."}}
    assert Image.open(io.BytesIO(data["image/png"])).size == (220, 110)


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_show_wants_alternative_text(alt):
    figure, _ = plotting.new_figure(size=(2, 1))
    with pytest.raises(ValueError, match="show: alt is empty"):
        plotting.show(figure, alt)


def test_png_is_reproducible_and_small():
    first, second = (plotting.png(maze_of(values=np.arange(5.0), policy=POLICY)[0]) for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG")
    figure, _, _ = maze_of(values=np.arange(5.0), policy=POLICY, path=[0, 1])
    stored = np.asarray(Image.open(io.BytesIO(plotting.png(figure))).convert("RGB")).astype(int)
    assert np.abs(stored - pixels(figure)).max() < 24  # no colour is lost, not even that of a thin line
    assert len(first) < 0.6 * len(plotting.png(figure, fast=True))


def test_figures_stay_out_of_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plotting.new_figure()
    assert plt.get_fignums() == before
    assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(plotting.COLOURS)
