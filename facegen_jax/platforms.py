"""The devices that JAX computes on: whether there are those that were asked for."""

import jax

EXTRAS = {"cuda": "cuda", "gpu": "cuda", "tpu": "tpu"}
"""The extra of this package that brings what JAX needs on a platform."""


class PlatformError(ValueError):
    """Devices that cannot be used; one line that says why and what to do."""


def check() -> None:
    """Let JAX find its devices.

    Raises:
        PlatformError: there are none, or not those that its settings ask for.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # without a GPU, JAX asserts
        reason = " ".join(str(error).split()).partition(" (set JAX_PLATFORMS")[0]
        raise PlatformError(
            f"JAX finds no device{f' for {_variable()}={asked()}' if asked() else ''}"
            f"{f' ({reason})' if reason else ''}; {_remedy()}"
        ) from None


def asked() -> str:
    """Return the platforms that JAX was told to use, empty if it chooses."""
    values = jax.config.values
    return values["jax_platform_name"] or values["jax_platforms"] or ""


def _variable() -> str:
    """Return the environment variable that asks."""
    return "JAX_PLATFORM_NAME" if jax.config.values["jax_platform_name"] else "JAX_PLATFORMS"


def _remedy() -> str:
    remedy = f"unset {_variable()} to use what there is" if asked() else "try JAX_PLATFORMS=cpu"
    extra = next((EXTRAS[name] for name in asked().split(",") if name in EXTRAS), None)
    if extra is None:
        return remedy
    return f"{remedy}, or install the extra for it: pip install 'facegen_jax[{extra}]'"
