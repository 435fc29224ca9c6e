"""Option values in text: attributes with amounts, channels with factors, terms with weights."""

from ..numbers import in_range


class EditError(ValueError):
    """An edit that cannot be done as asked; one line that says why and what to do."""


Amounts = tuple[tuple[str, float], ...]
"""Names of attributes, and how much of each."""
Gains = dict[str, dict[int, float]]
"""Factors by layer and channel."""


def amounts(attribute: str) -> Amounts:
    """Parse `Smiling+Eyeglasses:0.5`; an amount is 1 if absent.

    Raises:
        EditError: an empty name, or an amount that is not a finite number.
    """
    parsed = []
    for part in attribute.split("+"):
        name, colon, amount = part.partition(":")
        number = _number(amount) if colon else 1.0
        if number is None or not name.strip():
            raise EditError(
                f"--attribute {attribute}: expected names with finite amounts, as in "
                f"Smiling+Eyeglasses:0.5, not {part.strip()!r}"
            )
        parsed.append((name.strip(), number))
    return tuple(parsed)


def gains(channels: tuple[str, ...]) -> Gains:
    """Parse `conv4_3:17=2`, a layer, a channel and its factor.

    Raises:
        EditError: anything else.
    """
    parsed: Gains = {}
    for text in channels:
        layer, _, rest = text.partition(":")
        channel, _, factor = rest.partition("=")
        number = _number(factor)
        if number is None or not (channel.isdecimal() and len(channel) < 10) or not layer:
            raise EditError(
                f"--channels {text}: expected LAYER:CHANNEL=FACTOR, such as conv4_3:17=2"
            )
        parsed.setdefault(layer, {})[int(channel)] = number
    return parsed


def term_weights(weights: tuple[str, ...]) -> dict[str, float]:
    """Parse `darker=2`, a term's name and its weight.

    Raises:
        EditError: anything else.
    """
    parsed: dict[str, float] = {}
    for text in weights:
        name, _, weight = text.partition("=")
        number = _number(weight)
        if number is None or not name:
            raise EditError(f"--term-weights {text}: expected NAME=WEIGHT, such as darker=2")
        parsed[name.strip().replace("-", "_")] = number
    return parsed


def _number(text: str) -> float | None:
    """Return a number that can be computed with, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if in_range(number) else None
