"""Lookup of names that users type: spelling variants, and suggestions for unknown names."""

import difflib
from collections.abc import Iterable


def normalise(name: str) -> str:
    """Fold case and turn `_` and `-` into spaces: `mouth_slightly-open` = `Mouth Slightly Open`."""
    return name.replace("_", " ").replace("-", " ").casefold().strip()


def by_spelling(names: Iterable[str]) -> dict[str, str]:
    """Map the normalised form of each name to the name itself."""
    return {normalise(name): name for name in names}


def did_you_mean(name: str, known: Iterable[str], *, limit: int = 1) -> str:
    """Return `, did you mean 'Smiling'?` with the closest known names, or an empty string."""
    names = by_spelling(known)
    matches = difflib.get_close_matches(normalise(name), list(names), limit)
    suggestions = ", ".join(repr(names[match]) for match in matches)
    return f", did you mean {suggestions}?" if matches else ""
