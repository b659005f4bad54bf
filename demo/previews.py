"""The previews that training saved, for a bundle whose run is still on this machine."""

import re
from pathlib import Path

from gansample.bundle.fields import parse_json
from gansample.bundle.open import Bundle
from gansample.errors import ArtefactError

RUNS = Path("runs")  # relative to the working directory, where training writes
CHECKPOINT, WEIGHTS, PREVIEWS = "checkpoint.json", "generator.safetensors", "previews"
MAX_BYTES = 1 << 20  # of a checkpoint.json, which is a page


def find_previews(bundle: Bundle, runs: Path) -> list[tuple[int, Path]]:
    """(pictures seen, file) in training order; empty if no run under `runs` has the bundle's weights.

    The run is identified by the digest of its weights, as recorded in the bundle's provenance; a name would prove nothing.
    """
    wanted = bundle.spec.provenance.get("checkpoint_sha256")
    for checkpoint in sorted(runs.glob(f"*/{CHECKPOINT}")):
        if wanted is not None and _digest_of_weights(checkpoint) == wanted:
            found = [path for path in (checkpoint.parent / PREVIEWS).glob("*.png") if re.fullmatch("[0-9]+", path.stem)]
            return sorted((int(path.stem), path) for path in found)
    return []


def _digest_of_weights(checkpoint: Path) -> str | None:
    """None for a file that does not have it: a run that is half written or from another program is no error."""
    try:
        with checkpoint.open("rb") as file:
            info = parse_json(file.read(MAX_BYTES).decode(errors="replace"), str(checkpoint))
        digest = info["files"][WEIGHTS]["sha256"]
    except (OSError, ArtefactError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) else None
