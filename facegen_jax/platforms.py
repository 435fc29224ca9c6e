"""The devices that JAX computes on: whether there are those that were asked for."""

import jax

EXTRAS = {"cuda": "cuda", "gpu": "cuda", "tpu": "tpu"}
"""The extra of this package that brings what JAX needs on a platform."""


class PlatformError(ValueError):
    """Devices that cannot be used; one line that says why and what to do."""


def check() -> None:
    """Let JAX find its devices.

    Raises:
        PlatformError: there are none, or not those that `JAX_PLATFORMS` asks for.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # without a GPU, JAX asserts
        reason = " ".join(str(error).split()).partition(" (set JAX_PLATFORMS")[0]
        raise PlatformError(
            f"JAX finds no device{f' for JAX_PLATFORMS={asked()}' if asked() else ''}"
            f"{f' ({reason})' if reason else ''}; {_remedy()}"
        ) from None


def asked() -> str:
    """Return the platforms that JAX was told to use, empty if it chooses."""
    return jax.config.values["jax_platforms"] or ""


def _remedy() -> str:
    remedy = "unset JAX_PLATFORMS to use what there is" if asked() else "try JAX_PLATFORMS=cpu"
    extra = next((EXTRAS[name] for name in asked().split(",") if name in EXTRAS), None)
    if extra is None:
        return remedy
    return f"{remedy}, or install the extra for it: pip install 'facegen_jax[{extra}]'"
