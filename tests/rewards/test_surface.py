"""Surfaces against the components' formulas, and what their pictures draw."""

import shutil
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from lucy.rewards.drawing import PictureError, colour_scale, save_picture
from lucy.rewards.spec import RewardSpec, RewardSpecError, component_spec, load_spec, term_spec
from lucy.rewards.surface import Scene, Surface, surface, surface_states
from lucy.rewards.surface_figure import slope_arrows, surface_figure
from lucy.rewards.trajectory import evaluate_states

GOAL = np.array([0, 6000, 321.3875])
POINTS = (25, 17)  # the middle row and column are at 0


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (unit(a) * unit(b)).sum(axis=-1)


def points(of: Surface) -> np.ndarray:
    """Where the moved thing is: [H,W,3]."""
    place = of.scene.ball if of.scene.moved == "ball" else of.scene.car
    result = np.tile(np.array(place, float), (len(of.up), len(of.across), 1))
    first, second = of.scene.plane
    result[..., first], result[..., second] = of.across[None, :], of.up[:, None]
    return result


def assert_equal_inside(value: np.ndarray, expected: np.ndarray) -> None:
    inside = np.isfinite(value)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(value[inside], expected[inside], atol=2e-6)


@pytest.mark.parametrize("axes", ["xy", "xz", "yz"])
@pytest.mark.parametrize("dispersion", [0.5, 2.0])
def test_the_distance_of_a_moved_car_is_the_formula(axes, dispersion: float) -> None:
    scene = Scene(axes=axes, moved="car", ball=(500.0, -300.0, 400.0), car=(100.0, 200.0, 17.0))
    spec = component_spec("distance_player_to_ball", {"dispersion": dispersion, "density": 1.5})
    found = surface(spec, scene, points=POINTS)
    distance = np.linalg.norm(points(found) - scene.ball, axis=-1)
    expected = np.exp(-0.5 * (distance - 92.75) / (2300 * dispersion)) ** (1 / 1.5)
    assert_equal_inside(found.value, expected)


def test_the_offensive_potential_of_a_moved_ball_is_the_formula() -> None:
    scene = Scene(car=(700.0, -900.0, 17.0), car_velocity=(300.0, 1200.0, 0.0))
    found = surface(term_spec(load_spec("lucy-skg"), "offensive_potential"), scene, points=POINTS)
    ball, car = points(found), np.array(scene.car)
    align = 0.5 * cosine(ball - car, car - GOAL * (1, -1, 1)) + 0.5 * cosine(ball - car, GOAL - car)
    speed = unit(ball - car) @ np.array(scene.car_velocity) / 2300
    distance = np.linalg.norm(ball - car, axis=-1)
    near = np.exp(-0.5 * (distance - 92.75) / 2300) ** (1 / 1.1)
    sign = np.where((align > 0) & (speed > 0), 1, -1)
    assert_equal_inside(found.value, sign * np.cbrt(np.abs(align * speed * near)))


def test_the_ball_moves_in_planes_with_height() -> None:
    found = surface(
        component_spec("touch_ball_aerial", {}), Scene(axes="yz", touch=True), points=POINTS
    )
    assert_equal_inside(found.value, (points(found)[..., 2] + 92.75) / (2 * 92.75))
    flat = surface(component_spec("touch_ball_aerial", {}), Scene(axes="yz"), points=POINTS)
    assert flat.is_flat
    assert not found.is_flat


def test_mirrored_scenes_have_mirrored_surfaces() -> None:
    spec = load_spec("lucy-skg")
    scene = Scene(
        moved="car",
        ball=(900.0, 500.0, 93.0),
        ball_velocity=(300.0, -200.0, 0.0),
        car_velocity=(500.0, 800.0, 0.0),
        mates=((-1500.0, 0.0, 17.0),),
        opponents=((2000.0, 3000.0, 17.0),),
    )
    mirrored = scene._replace(
        ball=(-900.0, 500.0, 93.0),
        ball_velocity=(-300.0, -200.0, 0.0),
        car_velocity=(-500.0, 800.0, 0.0),
        mates=((1500.0, 0.0, 17.0),),
        opponents=((-2000.0, 3000.0, 17.0),),
    )
    one, other = (surface(spec, s, points=POINTS).value for s in (scene, mirrored))
    np.testing.assert_allclose(one, other[:, ::-1], atol=2e-5)


def test_the_balls_place_is_worth_the_opposite_across_the_field() -> None:
    found = surface(
        component_spec("distance_ball_to_goal_difference", {}), Scene(), points=POINTS
    ).value
    np.testing.assert_allclose(found, -found[::-1], atol=1e-6)


def test_rewards_are_shared_as_the_reward_function_shares_them() -> None:
    spec = RewardSpec.model_validate(
        {
            "events": [{"component": "velocity_player_to_ball"}, {"component": "face_ball"}],
            "team_spirit": 0.4,
            "zero_sum": 0.7,
        }
    )
    scene = Scene(
        mates=((-1000.0, 300.0, 17.0), (2000.0, -3000.0, 17.0)), opponents=((0.0, 3000.0, 17.0),)
    )
    found = surface(spec, scene, points=POINTS)
    states = surface_states(scene, found.across, found.up)
    expected = evaluate_states(spec, states).total[:, 0].reshape(POINTS)
    assert_equal_inside(found.value, expected)


def test_only_the_field_and_the_goals_have_values() -> None:
    found = surface(component_spec("distance_ball_to_goal", {}), Scene(), points=(121, 83))
    place = np.abs(points(found))
    inside = np.isfinite(found.value)
    assert not inside[(place[..., 0] + place[..., 1] > 8065)].any()
    assert not inside[(place[..., 1] > 5121) & (place[..., 0] > 893)].any()
    assert inside[(place[..., 1] > 5121) & (place[..., 0] < 892)].all()
    assert inside[(place[..., 0] < 2900) & (place[..., 1] < 5100)].all()
    high = surface(
        component_spec("distance_ball_to_goal", {}), Scene(ball=(0, 0, 1000)), points=(121, 83)
    )
    assert not np.isfinite(high.value[place[..., 1] > 5121]).any()


@pytest.mark.parametrize("velocity", [(0, 0, 0), (0, 0, 900), (300, -400, 500)])
def test_cars_look_where_they_drive(velocity) -> None:
    states = surface_states(Scene(car_velocity=velocity), np.zeros(1), np.zeros(1))
    forward, right, up = (axis[0, 0] for axis in states[6:9])
    assert forward @ (np.array(velocity) if any(velocity) else np.array([0, 1, 0])) > 0
    axes = np.stack([forward, right, up])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.cross(forward, right), up, atol=1e-6)
    assert up[2] >= 0


def test_parts_that_do_not_exist_are_named() -> None:
    with pytest.raises(RewardSpecError, match=r"unknown component 'face_bal'.*'face_ball'"):
        component_spec("face_bal", {})
    with pytest.raises(RewardSpecError, match=r"no parameter 'densety'.*'density'"):
        component_spec("distance_player_to_ball", {"densety": 1.0})
    with pytest.raises(RewardSpecError, match="density must be above 0, got 0"):
        component_spec("distance_player_to_ball", {"density": 0.0})
    with pytest.raises(RewardSpecError, match=r"no term is called 'goal'.*expected one of"):
        term_spec(load_spec("lucy-skg"), "goal")


# Pictures


def test_arrows_point_up_the_slope() -> None:
    scene = Scene(moved="car", ball=(1000.0, -2000.0, 93.0))
    tails, tips = slope_arrows(surface(component_spec("distance_player_to_ball", {}), scene))
    assert 100 < len(tails) < 260
    to_ball = np.array(scene.ball[:2]) - (tails + tips) / 2
    far = np.linalg.norm(to_ball, axis=1) > 300
    assert (cosine(tips - tails, to_ball)[far] > 0.99).all()
    flat = surface(component_spec("save_boost", {}), scene)
    assert slope_arrows(flat)[0].shape == (0, 2)


def names(figure: go.Figure) -> list[str]:
    return [trace.name for trace in figure.data]


def test_the_picture_shows_the_arena() -> None:
    scene = Scene(mates=((500.0, 0.0, 17.0),), opponents=((0.0, 3000.0, 17.0),))
    spec = term_spec(load_spec("lucy-skg"), "distance_ball_to_goal_difference")
    figure = surface_figure([[surface(spec, scene, "one"), surface(spec, scene, "two")]], "both")
    for name in ("value", "zero", "field", "pads", "cars"):
        assert names(figure).count(name) == 2
    assert names(figure).count("goals") == 4
    assert "ball" not in names(figure)  # it is moved
    traces = {trace.name: trace for trace in figure.data}
    assert len(traces["pads"].x) == 34
    assert len(traces["cars"].x) == 3
    assert set(traces["cars"].marker.color) == {"#1f66e0", "#e8730c"}
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles == ["one", "two"]
    assert figure.layout.xaxis.range[0] > figure.layout.xaxis.range[1]  # seen from above
    assert figure.layout.coloraxis.cmin == -figure.layout.coloraxis.cmax
    assert "velocity (0, 1410, 0)" in figure.layout.title.text


@pytest.mark.parametrize("axes", ["xz", "yz"])
def test_planes_with_height_have_a_floor_and_goals(axes) -> None:
    scene = Scene(axes=axes, moved="car", ball=(0.0, 2000.0, 93.0), ball_velocity=(0, 500, 0))
    spec = component_spec("distance_player_to_ball", {})
    figure = surface_figure([[surface(spec, scene)]])
    assert names(figure).count("goals") == (1 if axes == "xz" else 2)
    assert {"value", "slope", "field", "ball"} <= set(names(figure))
    assert "zero" not in names(figure)
    assert figure.layout.coloraxis.cmin == 0  # all values above 0


def test_colours_stand_for_the_same_values_on_both_sides() -> None:
    both, low, high = colour_scale(-0.5, 2.0)
    assert (low, high) == (-2.0, 2.0)
    assert dict(both)[0.5] == "#f7f7f7"
    above, low, high = colour_scale(0.5, 2.0)
    assert (low, high) == (0.0, 2.0)
    assert above[0][1] == "#f7f7f7"
    assert above[-1] == both[-1]
    below, low, high = colour_scale(-3.0, -1.0)
    assert (low, high) == (-3.0, 0.0)
    assert below[0] == both[0]
    assert colour_scale(0.0, 0.0)[1:] == (0.0, 1.0)


def test_pages_work_offline_and_replace_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "picture.html"
    path.write_text("old", "utf-8")
    save_picture(go.Figure(go.Bar(name="mark", y=[1])), path)
    page = path.read_text("utf-8")
    assert "mark" in page
    assert len(page) > 1_000_000  # plotly.js is inside
    assert "<script src=" not in page
    assert [file.name for file in tmp_path.iterdir()] == ["picture.html"]


def test_pictures_that_cannot_be_written_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PictureError, match=r"ends in \.html or \.png"):
        save_picture(go.Figure(), tmp_path / "picture.svg")
    with pytest.raises(PictureError, match="choose another place"):
        save_picture(go.Figure(), tmp_path / "nowhere" / "picture.html")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-chrome"))
    with pytest.raises(PictureError, match=r"write picture\.html instead"):
        save_picture(go.Figure(), tmp_path / "picture.png")


def test_a_png_is_drawn(tmp_path: Path) -> None:
    browsers = ("chromium", "chromium-browser", "google-chrome", "chrome")
    if not any(map(shutil.which, browsers)):
        pytest.skip("no Chrome or Chromium on the path, which draws PNG")
    path = tmp_path / "picture.png"
    save_picture(go.Figure(go.Bar(y=[1])), path)
    assert path.read_bytes().startswith(b"\x89PNG")
