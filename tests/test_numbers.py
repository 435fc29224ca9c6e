"""Numbers at their extremes: every numeric option is taken, or refused in one line."""

import contextlib
import dataclasses
import itertools
import sys
import typing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facegen_jax import command
from facegen_jax.convert.settings import Convert
from facegen_jax.edit import parsing
from facegen_jax.edit.request import resolve
from facegen_jax.edit.settings import Edit
from facegen_jax.gallery import command as gallery
from facegen_jax.gallery.settings import Show
from facegen_jax.report import settings as report
from facegen_jax.report.settings import Report
from facegen_jax.sweep import fields, grid
from facegen_jax.sweep import settings as sweep
from facegen_jax.sweep.settings import Sweep, SweepError

TEXTS = (
    *(
        "nan",
        "-nan",
        "inf",
        "-inf",
        "1e400",
        "-1e400",
        "1e308",
        "3.5e38",
        "1e38",
        "1e-45",
        "1e-400",
    ),
    *("-1", "-0.0", "0", "1", "2147483648", "4294967295", "4294967296", "9223372036854775808"),
    *("18446744073709551616", "9" * 5000, "1_000", "0x10", "1e3", "1,5", "1;5", "+1", " 1 "),
    *("٣", "½", "１", "", " ", "None", "auto", "true"),
)
NUMBERS = (int, float)


def numeric(kind: type, prefix: str = "") -> dict[str, object]:
    """Return the numeric options of a command, by name, with their types."""
    found = {}
    for name, hint in typing.get_type_hints(kind).items():
        option = f"{prefix}{name.replace('_', '-')}"
        if dataclasses.is_dataclass(hint):
            found |= numeric(typing.cast(type, hint), f"{option}.")
        elif hint in NUMBERS or set(NUMBERS) & set(typing.get_args(hint)):
            found[option] = hint
    return found


def check_edit(options: Edit) -> None:
    resolve(options)


def check_sweep(config: Sweep) -> None:
    sweep.check(config)
    resolve(config.base)


COMMANDS = {
    "edit": (Edit, ("--reference", "a", "--out", "b", "--attribute", "Smiling"), check_edit),
    "sweep": (Sweep, ("--pairs", "a", "--out", "b", "--attribute", "Smiling"), check_sweep),
    "report": (Report, ("a",), report.check),
    "gallery": (Show, ("a",), gallery._check),
    "convert": (Convert, ("a",), None),
}
"""Options of each command, what it needs beside them, and the check of what was parsed."""
CASES = [
    (name, option, text)
    for name, (kind, _, _) in COMMANDS.items()
    for option, text in itertools.product(numeric(kind), TEXTS)
]
STRIDE = 23
"""Every so many cases run in the short suite: all options, and all texts, several times."""


def representable(value: object) -> bool:
    """Return whether all numbers of an accepted value can be computed with."""
    if isinstance(value, tuple):
        return all(map(representable, value))
    if isinstance(value, float):
        return bool(abs(value) <= np.finfo(np.float32).max)
    return True


def value_of(config: object, option: str) -> object:
    for name in option.replace("-", "_").split("."):
        config = getattr(config, name)
    return config


def test_every_command_is_swept():
    counts = {name: len(numeric(kind)) for name, (kind, _, _) in COMMANDS.items()}
    assert counts["edit"] >= 19
    assert counts["sweep"] >= counts["edit"] + 6
    assert counts["report"] == 2
    assert counts["gallery"] == 1
    assert counts["convert"] == 0
    assert {option for _, option, _ in CASES[::STRIDE]} == {option for _, option, _ in CASES}


def refusal(call: Callable[[], object], expected: type[ValueError] = ValueError) -> str:
    """Return the one line with which a call refuses its input; empty if it takes it."""
    try:
        call()
    except expected as error:
        return str(error) or "nothing said"
    return ""


def sweep_cases(cases, monkeypatch, capsys) -> tuple[int, int]:
    """Parse and check cases; return how many were taken and how many refused."""
    taken = 0
    for name, option, text in cases:
        kind, needed, check = COMMANDS[name]
        monkeypatch.setattr(sys, "argv", ["x", *needed, f"--{option}={text}"])
        config = None
        with contextlib.suppress(SystemExit):
            config = command.parse(kind, "prog")
        printed = capsys.readouterr().err
        message = printed.rstrip("\n") if config is None else refusal(lambda: check(config))  # noqa: B023  # pyright: ignore[reportArgumentType]
        case = (name, option, text[:30], message)
        assert "\n" not in message, case
        assert len(message) < 12_000, case
        assert (config is None) == bool(printed), case
        assert message or representable(value_of(config, option)), case
        taken += not message
    return taken, len(cases) - taken


def test_options_at_their_extremes(monkeypatch, capsys):
    taken, refused = sweep_cases(CASES[::STRIDE], monkeypatch, capsys)
    assert taken > 10
    assert refused > 20


@pytest.mark.long
def test_every_option_at_every_extreme(monkeypatch, capsys):
    taken, refused = sweep_cases(CASES, monkeypatch, capsys)
    assert taken + refused == len(CASES) > 1500


@pytest.mark.parametrize("name", fields.fields())
def test_every_value_of_a_table(name):
    """What tables and grids hold goes through the same checks."""
    base = Edit(Path("a"), Path("b"), attribute="Smiling")

    def take(text: str) -> None:
        value = fields.convert(name, text, "pairs.csv, line 2")
        resolve(fields.changed(base, {name: value}))
        assert representable(value), text

    for text in TEXTS:
        assert "\n" not in refusal(lambda: take(text)), text  # noqa: B023  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_seeds_of_32_bits_are_taken(seed):
    assert resolve(Edit(Path("a"), Path("b"), attribute="Smiling", seed=seed)).options.seed == seed


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63, 2**64, -(2**63)])
def test_other_seeds_are_refused(seed):
    options = Edit(Path("a"), Path("b"), attribute="Smiling", seed=seed)
    with pytest.raises(parsing.EditError, match=f"--seed must be from 0 to 4294967295, not {seed}"):
        resolve(options)


@pytest.mark.parametrize("first", TEXTS)
def test_ranges_at_their_extremes(first):
    """Neither an endless list nor another exception than the command's own."""
    texts = [
        f"{first}..{last}{count}"
        for last in ("0", "5", "1e400", "nan", "9" * 400, "1e308", "-1e308")
        for count in ("", ":3", ":3:log", f":{first}", ":99999999999")
    ]

    def take(option: str) -> None:
        assert len(grid.points([option])) <= 1000, option

    for name, text in itertools.product(("seed", "weights.identity", "strength"), texts):
        assert "\n" not in refusal(lambda: take(f"{name}={text}"), SweepError)  # noqa: B023  # pyright: ignore[reportArgumentType]


def test_too_many_combinations_are_refused():
    options = [f"{name}=1..200" for name in ("seed", "steps", "k", "face")]
    with pytest.raises(SweepError, match="1600000000 combinations, more than 1000000"):
        grid.points(options)


@pytest.mark.parametrize("text", TEXTS)
def test_amounts_factors_and_weights_at_their_extremes(text):
    for parse, argument in (
        (parsing.amounts, f"Smiling:{text}"),
        (parsing.gains, (f"conv1_1:{text}=2",)),
        (parsing.gains, (f"conv1_1:0={text}",)),
        (parsing.term_weights, (f"darker={text}",)),
    ):
        assert "\n" not in refusal(
            lambda: representable(_numbers(parse(argument))) or pytest.fail(str(argument)),  # noqa: B023  # pyright: ignore[reportArgumentType]
            parsing.EditError,
        )


def _numbers(parsed: object) -> tuple[object, ...]:
    """Return all numbers of nested dictionaries and tuples."""
    if isinstance(parsed, dict):
        return tuple(number for each in parsed.values() for number in _numbers(each))
    if isinstance(parsed, tuple):
        return tuple(number for each in parsed for number in _numbers(each))
    return (parsed,)
