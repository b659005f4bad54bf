"""What the name of a dictionary in a checkpoint says about the network in it: averaged, raw, neutral or another network."""

import re
from collections.abc import Sequence

# fmt: off
AVERAGED = {
    "ema", "avg", "average", "averaged", "swa", "running", "shadow", "smooth", "smoothed", "polyak", "slow", "gs", "ge", "gema",
}
GENERATOR = {"g", "gen", "generator", "decoder", "online", "netg"}
NEUTRAL = {"state", "dict", "model", "params", "weights", "net", "network", "module"}
OTHERS = {
    "d", "disc", "discriminator", "critic", "netd", "encoder", "netc", "optim", "optimizer", "optimizers", "opt", "scheduler",
    "schedulers", "sched", "scaler", "de",
}
LOOSE = {
    "noise", "fixed", "rng", "loss", "losses", "sample", "samples", "z", "latent", "latents", "label", "labels", "seed", "step",
    "steps", "epoch", "test", "history", "version", "initted", "n", "fake", "real", "cuda", "cpu",
}
# fmt: on


def rank(name: str) -> tuple[int, int]:
    """How good a dotted name is, best first: an average draws the better pictures (Yazıcı et al. 2019) than the raw weights."""
    words = words_of(name)
    if AVERAGED & words and not words & {"online", "raw"}:
        return 0, 0
    if GENERATOR & words or any(word.startswith(("gen", "netg")) for word in words):
        return 1, 0
    return (2, 0) if words_of(name.rpartition(".")[2]) <= NEUTRAL else (3, 0)


def is_other(name: str) -> bool:
    """Whether a dotted name is that of a discriminator, an optimizer or another network beside the generator."""
    words = words_of(name)
    return bool(words & OTHERS) or any(word.startswith(("disc", "critic", "optim", "netd")) for word in words)


def is_named(name: str) -> bool:
    """Whether a name tells which network it is."""
    return is_other(name) or rank(name)[0] < 2


def is_loose(name: str) -> bool:
    """Whether a tensor of this name lies beside the weights: noise of the previews, random state, losses."""
    return "." not in name and bool(words_of(name) & LOOSE)


def words_of(name: str) -> set[str]:
    """`state_dict.avgG` -> {state, dict, avg, g}"""
    words: Sequence[str] = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+[a-zA-Z]*", name)
    return {word.lower() for word in words}
