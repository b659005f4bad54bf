"""A folder as hubs and trainers leave it: which file holds the generator, in how many parts, and what stands beside it."""

import json
import re
from pathlib import Path
from typing import Any

from export.importers.dictionary_names import is_other, rank
from gansample.errors import ArtefactError, UsageError

RUN = "checkpoint.json"  # a folder with this file is a training run of this project
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".pkl")
INDEX = ".index.json"
CONFIGS = ("config.json", "hparams.json", "args.json", "opt.json")
# What Hugging Face's libraries call the weights, in the order in which they look for them.
USUAL = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.bin")
NO_WEIGHTS = re.compile(r"random_states|rng_state|training_args|optimizer|scheduler|scaler|sampler")
PART = re.compile(r"(.+)-\d{5}-of-\d{5}(\.\w+)$")


def is_weights_folder(folder: Path) -> bool:
    """Whether a folder holds weights and is no training run of this project."""
    return folder.is_dir() and not (folder / RUN).is_file() and bool(_candidates(folder))


def weights_in(folder: Path) -> Path:
    """The one file of weights in a folder (an index, where they lie in parts).

    Raises ArtefactError where there is none, UsageError naming them where there are several.
    """
    found = _candidates(folder)
    if not found:
        raise ArtefactError(f"{folder} is a folder without weights and no training run", "pass a file of weights")
    usual = next((path for name in USUAL for path in found if path.name in (name, name + INDEX)), None)
    twins = [path for path in found if usual is not None and re.fullmatch(rf"{usual.stem}_\d+{usual.suffix}", path.name)]
    if usual is not None and not twins:
        return usual
    rest = [path for path in found if not is_other(path.stem)]
    best = [path for path in rest if rank(path.stem) == min(rank(other.stem) for other in rest)]
    if len(best) != 1 or twins:
        names = ", ".join(str(path) for path in found[:8])
        raise UsageError(f"{folder} holds {len(found)} weights files ({names})", "pass the generator's")
    return best[0]


def parts_of(path: Path) -> list[Path]:
    """The files that make up the weights `path` names: itself, or all parts where it is an index or one of several parts.

    Raises ArtefactError where a part is missing, or an index names a file that does not lie beside it.
    """
    if path.name.endswith(INDEX):
        try:
            names = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError):
            raise ArtefactError(f"{path} is no index of weights", "it has no weight_map: copy or download it again") from None
        if foreign := sorted(name for name in map(str, names) if Path(name).name != name):
            raise ArtefactError(f"{path} names {foreign[0]!r}, which does not lie beside it", "put the parts into its folder")
        parts = [path.with_name(name) for name in sorted(names)]
    elif match := PART.fullmatch(path.name):
        stem, suffix = match.groups()
        total = int(path.stem[-5:])
        parts = [path.with_name(f"{stem}-{i + 1:05d}-of-{total:05d}{suffix}") for i in range(total)]
    else:
        return [path]
    if missing := [part.name for part in parts if not part.is_file()]:
        raise ArtefactError(
            f"{len(missing)} of {len(parts)} parts of {path.name} are missing ({missing[0]})", "copy all of them"
        )
    return parts


def config_beside(path: Path) -> dict[str, Any]:
    """The configuration that stands beside weights under a hub's usual name; empty where there is none or it cannot be read."""
    usual = path.name in USUAL or path.name.endswith(INDEX) or PART.fullmatch(path.name)
    for name in CONFIGS if usual else ():
        try:
            config = json.loads((path.parent / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(config, dict):
            return config
    return {}


def _candidates(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    weights = [path for path in files if path.suffix in SUFFIXES and not NO_WEIGHTS.match(path.name)]
    whole = [path for path in weights if not PART.fullmatch(path.name)]
    return whole + [path for path in files if path.name.endswith(INDEX)] + _without_index(weights, files)


def _without_index(weights: list[Path], files: list[Path]) -> list[Path]:
    """First parts of weights that lie in parts without an index."""
    indexed = {path.name.removesuffix(INDEX) for path in files if path.name.endswith(INDEX)}
    firsts = [(path, match) for path in weights if (match := PART.fullmatch(path.name)) and "-00001-of-" in path.name]
    return [path for path, match in firsts if "".join(match.groups()) not in indexed]
