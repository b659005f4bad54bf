"""Activations by the names that configurations give them."""

from collections.abc import Callable

from torch import nn

from gansample.errors import UsageError

KNOWN: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
}


def activation(name: object) -> nn.Module:
    """The activation that a configuration calls `name`. Raises UsageError for one that is not known."""
    build = KNOWN.get(name) if isinstance(name, str) else None
    if build is None:
        raise UsageError(
            f"the configuration's act_fn is {name!r}, known are {', '.join(KNOWN)}",
            "pass the class: --generator model.py:Class",
        )
    return build()
