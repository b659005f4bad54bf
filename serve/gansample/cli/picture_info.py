"""How a picture, a video, an archive or a folder of pictures was drawn, and the command that draws it again."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gansample.cli.info import bundle_argument, bundles_here
from gansample.errors import ArtefactError, UsageError
from gansample.latents import LatentSpace, check_seed, parse_seeds
from gansample.runtimes.backends import BACKEND_OF
from gansample.sampling.options import SELECTIONS
from gansample.sampling.selection import Mix
from gansample.sampling.styles import check_mix_styles

PARTS = {"frame": "frame", "row": "latent"}  # what a picture says that no command draws alone, and how its file's name begins


def describe_drawing(metadata: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """The metadata of `source`, the bundles here that have its model, and the command that draws it again.

    The command names the bundle, since without one another model might be drawn; where none here has the model's digest, a
    placeholder stands for it and `bundle` is None.

    Raises ArtefactError where the metadata does not say what was drawn, or says nothing that can be drawn.
    """
    kind = next((kind for kind in SELECTIONS if kind in metadata), "seeds")
    try:
        _check_selection(kind, metadata.get(kind))
    except UsageError:
        raise ArtefactError(
            f"{source} has the {kind} {metadata.get(kind)!r} in its metadata, which is not one", "it was changed after drawing"
        ) from None
    part = next((f"{stem}{metadata[each]:07d}" for each, stem in PARTS.items() if isinstance(metadata.get(each), int)), None)
    bundles = [bundle_argument(each.path) for each in bundles_here() if each.sha256 == metadata.get("model_sha256")]
    command = ["gansample", "--bundle", bundles[0] if bundles else "BUNDLE"]
    for option in (kind, *SELECTIONS[kind], "class", "truncation", "psi", "grid", "pad", "fps", "upscale", "png"):
        if option in metadata:
            flag = f"--{option.replace('_', '-')}"
            command += [flag] if metadata[option] is True else [flag, str(metadata[option])]
    if "grid" in metadata and "upscale" not in metadata:
        command += ["--upscale", "1"]  # a grid is enlarged where it is small and nothing is said
    command += [*_engine_options(metadata), "again" if part is not None or source.is_dir() else f"again{source.suffix}"]
    return {
        "path": str(source),
        "metadata": dict(metadata),
        "bundle": bundles[0] if bundles else None,
        "bundles": bundles,
        "command": shlex.join(command),
        "part": f"again/{part}.png" if part is not None else None,
    }


def format_drawing(about: Mapping[str, Any]) -> str:
    """`describe_drawing` for people: the facts, and last the command."""
    facts = "\n".join(f"  {key:13} {value}" for key, value in about["metadata"].items())
    first, *others = about["bundles"] or [None]
    if first is None:
        metadata = about["metadata"]
        facts += (
            f"\n\nNo bundle here has the model of {metadata.get('model', 'this picture')} "
            f"(sha256 {str(metadata.get('model_sha256'))[:12]}…): put its folder in the place of BUNDLE."
        )
    elif others:
        facts += f"\n\nThe same model is also in {', '.join(others)}."
    if about["part"] is not None:
        facts += f"\n\nIt is one of many, which are drawn together: {about['part']} will be the same picture."
    return f"{about['path']}\n{facts}\n\n{about['command']}"


def _check_selection(kind: str, value: Any) -> None:
    """Raise UsageError for a value that the option would refuse, so that no command is made of arbitrary text."""
    if kind in ("seeds", "walk"):
        parse_seeds(str(value), f"--{kind}")
    elif kind == "around":
        check_seed(value if isinstance(value, int) else -1)
    elif kind == "mix":
        Mix.parse(str(value), LatentSpace(1))
    elif kind == "mix_styles":
        check_mix_styles(str(value))
    elif not isinstance(value, str) or value.startswith("-"):
        raise UsageError(f"--{kind} is {value!r}", "it is a file's name")


def _engine_options(metadata: Mapping[str, Any]) -> list[str]:
    """What makes the same engine draw it, where that is not the one that opens fastest."""
    backend, variant = BACKEND_OF.get(str(metadata.get("backend"))), str(metadata.get("variant", ""))
    options = ["--backend", backend] if backend not in (None, "onnxruntime") else []
    return options if variant.endswith("fp32") or not variant else [*options, "--precision", "fast"]
