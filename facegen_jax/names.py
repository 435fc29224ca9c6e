"""Names as people write them: spelling variants, and suggestions for unknown ones."""

import difflib
from collections.abc import Iterable, Mapping


def normalise(name: str) -> str:
    """Drop case, `_` and `-`, so that `mouth_slightly-open` is `Mouth Slightly Open`."""
    return name.replace("_", " ").replace("-", " ").casefold().strip()


def by_spelling(names: Iterable[str]) -> dict[str, str]:
    """Map the normalised form of each name to the name itself."""
    return {normalise(name): name for name in names}


def did_you_mean(name: str, known: Iterable[str], *, most: int = 1) -> str:
    """Return `, did you mean 'Smiling'?` with the nearest known names, or an empty string."""
    spelt: Mapping[str, str] = by_spelling(known)
    near = difflib.get_close_matches(normalise(name), spelt, most)
    return f", did you mean {', '.join(repr(spelt[each]) for each in near)}?" if near else ""
