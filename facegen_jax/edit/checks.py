"""What an edit cannot be told: refused before anything is loaded or computed."""

import dataclasses
import math
import tempfile

from ..faces import colour, image, regions
from ..network.vgg_face import BLOCKS
from .settings import Edit


class EditError(ValueError):
    """An edit that cannot be done as asked; one line that says why and what to do."""


def check(config: Edit) -> None:
    """Refuse what cannot work.

    Raises:
        EditError, RegionError, ColourError: with what was expected, what came, and what to do.
    """
    check_options(config)
    _check_outputs(config)


def check_options(config: Edit) -> None:
    """The same, but for the files to write."""
    _check_attribute(config)
    _check_numbers(config)
    _check_places(config)
    colour.check(config.colour)


def amounts(attribute: str) -> list[tuple[str, float]]:
    """Names and amounts of `Smiling+Eyeglasses:0.5`; 1 where none is given.

    Raises:
        EditError: an empty name, or an amount that is no number.
    """
    found = []
    for part in attribute.split("+"):
        name, colon, amount = part.partition(":")
        try:
            found.append((name.strip(), float(amount) if colon else 1.0))
        except ValueError:
            raise EditError(
                f"--attribute {attribute}: {amount!r} is no amount; several attributes are given as in Smiling+Eyeglasses:0.5"
            ) from None
        if not name.strip() or not math.isfinite(found[-1][1]):
            raise EditError(
                f"--attribute {attribute!r}: expected names with finite amounts, as in Smiling+Eyeglasses:0.5"
            )
    return found


def gains(channels: tuple[str, ...]) -> dict[str, dict[int, float]]:
    """Layer, channel and factor of each `conv4_3:17=2`.

    Raises:
        EditError: anything else.
    """
    found: dict[str, dict[int, float]] = {}
    for text in channels:
        layer, _, rest = text.partition(":")
        channel, _, gain = rest.partition("=")
        try:
            found.setdefault(layer, {})[int(channel)] = float(gain)
        except ValueError:
            raise EditError(
                f"--channels {text}: expected LAYER:CHANNEL=FACTOR, such as conv4_3:17=2"
            ) from None
        if not layer.startswith("conv") or not math.isfinite(float(gain)):
            raise EditError(
                f"--channels {text}: expected a convolution and a finite factor, such as conv4_3:17=2"
            )
    return found


def _check_attribute(config: Edit) -> None:
    if sum(map(bool, (config.guides, config.attribute, config.channels))) != 1:
        raise EditError(
            "give either --guides PICTURE [...], --attribute NAME (tuned or, with --gallery FOLDER, looked up there), or --channels"
        )
    if config.gallery and not config.attribute:
        raise EditError("--gallery needs --attribute NAME; guides of your own need no gallery")
    if not config.gallery and (
        config.match or config.similar_by or config.identity or config.k is not None
    ):
        raise EditError(
            "--k, --match, --identity and --similar-by choose among the faces of --gallery FOLDER, which is missing"
        )
    if config.target == "difference" and not config.gallery:
        raise EditError("--target difference compares faces of --gallery FOLDER, which is missing")
    if config.directions and (config.gallery or not config.attribute):
        raise EditError(
            "--directions is where --attribute NAME is looked up; it goes with neither --gallery, --guides nor --channels"
        )
    weighed = [name for name, amount in amounts(config.attribute or "x") if amount != 1]
    if weighed and config.gallery and config.target != "difference":
        raise EditError(
            f"--attribute {config.attribute}: guides have an attribute or not, only directions and differences have amounts"
        )
    gains(config.channels)


def _check_places(config: Edit) -> None:
    for one, other in (("mask", "region"), ("identity_mask", "identity_region")):
        if getattr(config, one) and getattr(config, other):
            raise EditError(
                f"give either --{one.replace('_', '-')} or --{other.replace('_', '-')}, not both"
            )
    for name in (config.region, config.identity_region):
        if name and name.lower() != "none":
            regions.check(name)
    for name, numbers, count in (("landmarks", config.landmarks, 10), ("box", config.box, 4)):
        if len(numbers) not in (0, count) or not all(map(math.isfinite, numbers)):
            raise EditError(f"--{name} takes {count} numbers, not {len(numbers)}")
    if config.box and not (config.box[0] < config.box[2] and config.box[1] < config.box[3]):
        raise EditError(
            "--box takes left, top, right, bottom, with left before right and top above bottom"
        )
    if config.align == "none" and (config.box or config.face != 1):
        raise EditError(
            "--align none looks for no face, so --face and --box have no meaning with it"
        )


def _check_numbers(config: Edit) -> None:
    whole = {
        "face": config.face,
        "k": config.k,
        "candidates": config.candidates,
        "steps": config.steps,
    }
    for name, number in whole.items():
        if number is not None and number < 1:
            raise EditError(f"--{name} must be at least 1, not {number}")
    if len(set(config.strength)) < max(1, len(config.strength)):
        raise EditError("--strength takes one number, or several different ones as in 0.5,1,1.5")
    numbers = {
        "noise": config.noise,
        **{f"weights.{name}": value for name, value in dataclasses.asdict(config.weights).items()},
    }
    if config.learning_rate is not None:
        numbers["learning-rate"] = config.learning_rate
    for name, value in [*numbers.items(), *(("strength", each) for each in config.strength)]:
        if not math.isfinite(value):
            raise EditError(f"--{name.replace('_', '-')} must be a finite number, not {value}")
        if value < 0 and name != "strength":
            raise EditError(f"--{name.replace('_', '-')} must not be negative, not {value}")
    smallest = 2 ** (len(BLOCKS) - 1)
    if config.size is not None and not smallest <= config.size <= 4096:
        raise EditError(f"--size must be from {smallest} to 4096 pixels, not {config.size}")


def _check_outputs(config: Edit) -> None:
    inputs = [path.resolve() for path in config.inputs]
    for path in [*config.outputs, *([config.strip] if config.strip else [])]:
        if path.suffix.lower() not in image.ENDINGS:
            raise EditError(f"{path}: pictures are written as {', '.join(image.ENDINGS)}")
        if path.resolve() in inputs:
            raise EditError(f"{path}: would overwrite an input picture; choose another name")
        if path.is_dir():
            raise EditError(f"{path}: is a folder; give a file name")
        if not path.absolute().parent.is_dir():
            raise EditError(f"{path.parent}: no such folder to write to")
        try:  # permissions alone do not tell (root, full or read-only disks)
            tempfile.TemporaryFile(dir=path.absolute().parent).close()
        except OSError as error:
            raise EditError(f"{path.parent}: cannot be written to ({error.strerror})") from None
    if config.strip and config.strip.resolve() in [path.resolve() for path in config.outputs]:
        raise EditError("--strip and --out name the same file")
