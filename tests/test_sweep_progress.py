"""The progress line: rewritten on terminals, rare plain lines elsewhere, silent on request."""

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


def test_the_line_shows_counts_rate_and_time_left():
    expected = "3 done, 1 failed, 4 left | 20 steps/s, 5 s left | batch of 2 at step 20 of 40"
    assert progress.text(HALFWAY, 10.0) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (99.0, "99 s"), (600.0, "10 min"), (9000.0, "2 h 30 min"), (4e5, "4.6 days")],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


def test_a_terminal_shows_one_line_that_is_rewritten(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", map(float, range(100)).__next__)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    line = Line()
    line.watch(HALFWAY)
    line.watch(HALFWAY)
    assert "\n" not in stream.getvalue()
    line.write("done")
    assert stream.getvalue().endswith("\r\033[Kdone\n")


def test_other_streams_get_rare_plain_lines(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", map(float, range(100)).__next__)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    line = Line()
    for _ in range(65):
        line.watch(HALFWAY)
    line.watch(Status(8, 0, 0, 0, 0, 0, 300, 0))
    assert stream.getvalue().count("\n") == 2
    assert "\033" not in stream.getvalue()


def test_quiet_prints_nothing(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    line = Line(quiet=True)
    line.watch(HALFWAY)
    line.write("done")
    assert stream.getvalue() == ""
