"""The progress line: rewritten on terminals, plain and rare elsewhere, silent on request."""

import io
import sys

import pytest

from facegen_jax.sweep import progress
from facegen_jax.sweep.progress import Line, Status

HALFWAY = Status(
    done=3, failed=1, left=4, batch=2, step=20, steps=40, steps_done=200, steps_left=100
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_says_what_is_done_and_left():
    assert (
        progress.text(HALFWAY, 10.0)
        == "3 done, 1 failed, 4 left | 20 steps/s, 5 s left | batch of 2 at step 20 of 40"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (99.0, "99 s"), (600.0, "10 min"), (9000.0, "2 h 30 min"), (4e5, "4.6 days")],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


def test_on_a_terminal_one_line_is_rewritten(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", map(float, range(100)).__next__)
    to = Terminal()
    monkeypatch.setattr(sys, "stderr", to)
    line = Line()
    line.watch(HALFWAY)
    line.watch(HALFWAY)
    assert "\n" not in to.getvalue()
    line.say("done")
    assert to.getvalue().endswith("\r\033[Kdone\n")


def test_elsewhere_lines_are_plain_and_rare(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", map(float, range(100)).__next__)
    to = io.StringIO()
    monkeypatch.setattr(sys, "stderr", to)
    line = Line()
    for _ in range(65):
        line.watch(HALFWAY)
    line.watch(Status(8, 0, 0, 0, 0, 0, 300, 0))
    assert to.getvalue().count("\n") == 2
    assert "\033" not in to.getvalue()


def test_quiet_says_nothing(monkeypatch):
    to = Terminal()
    monkeypatch.setattr(sys, "stderr", to)
    line = Line(quiet=True)
    line.watch(HALFWAY)
    line.say("done")
    assert to.getvalue() == ""
