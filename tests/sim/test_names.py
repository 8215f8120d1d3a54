"""No two players or bots are shown by one name."""

import pytest

from lucy.sim.names import bot_label, bot_labels, distinct, run_folder, storable

STEP = "checkpoints/step-000000245760"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a (2)", "a (3)"]),
        (["a", "a (2)", "a"], ["a", "a (2)", "a (3)"]),
        (["a", "a", "a (2)", "a (2)"], ["a", "a (3)", "a (2)", "a (2) (2)"]),
        (["", "", "x"], ["", "", "x"]),
        ([], []),
    ],
)
def test_equal_names_are_counted(names: list[str], shown: list[str]) -> None:
    assert distinct(names) == shown
    assert len(set(filter(None, shown))) == len(list(filter(None, shown)))


@pytest.mark.parametrize(
    ("bots", "labels"),
    [
        ([f"/u/runs/a/{STEP}", "chaser"], ["a @ 245,760", "chaser"]),
        (
            [f"/u/runs/a/{STEP}", f"/u/other/a/{STEP}", f"/u/runs/b/{STEP}"],
            ["runs/a @ 245,760", "other/a @ 245,760", "b @ 245,760"],
        ),
        (
            [f"/u/runs/a/{STEP}", "/u/runs/a/checkpoints/step-000000000064"],
            ["a @ 245,760", "a @ 64"],
        ),
        # As a Lucy of before named it, and the same place as it is named now
        ([f"runs/a/{STEP}", f"/u/runs/a/{STEP}"], ["runs/a @ 245,760", "u/runs/a @ 245,760"]),
        ([f"a/{STEP}", f"/u/a/{STEP}", f"/v/a/{STEP}"], None),
        (["C:\\runs\\a\\checkpoints\\step-000000000064"], ["a @ 64"]),
        ([f"/u/a/{STEP}", f"/u/a/{STEP}"], ["a @ 245,760", "a @ 245,760 (2)"]),
        (["chaser", "chaser"], ["chaser", "chaser (2)"]),
        ([f"/a/{STEP}", "a @ 245,760"], None),
        (["my_bots:make", "step-1"], ["my_bots:make", "step-1"]),
    ],
)
def test_bots_are_shown_as_short_as_tells_them_apart(
    bots: list[str], labels: list[str] | None
) -> None:
    assert bot_labels(bots) == (labels or bot_labels(bots))
    assert len(set(bot_labels(bots))) == len(bots)


def test_a_bot_alone() -> None:
    assert bot_label(f"runs/my run [x]/{STEP}") == "my run [x] @ 245,760"
    assert bot_label("nexto:beta=0.5") == "nexto:beta=0.5"
    assert run_folder(f"/u/runs/a/{STEP}") == "/u/runs/a"
    assert run_folder("chaser") is None


def test_names_that_are_no_text_can_be_kept() -> None:
    assert storable("caf\udce9 ü") == "caf\\udce9 ü"
