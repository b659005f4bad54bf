"""What a bundle contains, as plain data and as a page for people, and which bundles there are."""

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gansample.bundle.basis import Basis, format_basis, verdict_line
from gansample.bundle.fields import parse_json
from gansample.bundle.open import MANIFEST, PLACES, REFERENCE, Bundle, bundle_named, open_bundle, read_file
from gansample.bundle.spec import format_rate, recorded_rate
from gansample.errors import ArtefactError
from gansample.sampling.classes import no_classes
from gansample.system.newest import folders_newest_first

MOST_CLASSES = 20  # named on the page


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """Spec, variants with their receipts, what was left out and why, and provenance, as plain data."""
    manifest: dict[str, Any] = {}
    if bundle.path.is_dir():
        manifest = parse_json(read_file(bundle.path / MANIFEST).decode(errors="replace"), str(bundle.path))
    return {
        "path": str(bundle.path),
        "basis": None,
        **bundle.spec.to_dict(),
        "sha256": bundle.sha256,
        "variants": [
            {**variant.to_dict(), "bytes": sum(bundle.files[name].bytes for name in variant.files)}
            for variant in bundle.variants
        ],
        "left_out": manifest.get("left_out", []),
        "files": {name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in bundle.files.items()},
    }


def format_bundle(about: Mapping[str, Any]) -> str:
    """`describe_bundle` for people, on one page; the rest of it is for programs."""
    classes, trained = about["classes"], _format_training(about["provenance"])
    lines = [
        f"{about['name']}   {about['path']}",
        f"  draws     {format_picture_facts(about)}",
        *([f"  classes   {_format_classes(classes)}"] if classes else []),
        f"  model     {REFERENCE}, sha256 {about['sha256'][:12]}…",
        *([f"  trained   {trained}"] if trained else []),
        *_format_verdict(about),
        "  variants",
    ]
    lines += [f"    {_format_variant(variant)}" for variant in about["variants"]]
    lines += [f"    {entry['name']:16} {entry['verdict']}: {short_reason(entry['reasons'])}" for entry in about["left_out"]]
    bundle = shlex.quote(bundle_argument(Path(about["path"])))
    return "\n".join([*lines, "", f"gansample --bundle {bundle} --n 64 out.png", f"gan info {bundle} --json   # all of it"])


def format_picture_facts(about: Mapping[str, Any]) -> str:
    """Like `64×64 in colour, from 128 normally distributed numbers`."""
    image, latent = about["image"], about["latent"]
    colour = {1: "grey", 2: "grey with transparency", 3: "in colour", 4: "in colour with transparency"}
    kind = colour.get(image["channels"], f"of {image['channels']} channels")
    numbers = {"normal": "normally distributed", "uniform": "uniformly distributed"}.get(latent["distribution"], "")
    facts = f"{image['height']}×{image['width']} {kind}, from {latent['size']} {numbers or latent['distribution']} numbers"
    mapping = about.get("mapping")
    return f"{facts}, through {mapping['layers']} styles of {mapping['size']} (--psi, --mix-styles)" if mapping else facts


def short_reason(reasons: Sequence[str]) -> str:
    """The first reason without its parentheses and advice: the whole of it is in --json."""
    return re.sub(r" \([^()]*\)", "", reasons[0]).split(": ")[0] if reasons else "no reason is recorded"


def _format_classes(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:MOST_CLASSES])
    return shown if len(classes) <= MOST_CLASSES else f"{len(classes)}: {shown}, …"


def _format_training(provenance: Mapping[str, Any]) -> str:
    """On what and how long, as far as the checkpoint said."""
    data, seen = provenance.get("data"), provenance.get("images_seen")
    named = data.get("name") if isinstance(data, Mapping) else None
    words = [f"on {named}"] if isinstance(named, str) else []
    return ", ".join([*words, *([f"{seen:,} pictures seen"] if isinstance(seen, int) else [])])


def _format_verdict(about: Mapping[str, Any]) -> list[str]:
    """The reference graph's verdict at export, and what it rests on."""
    basis = Basis.from_dict(about["basis"], about["path"])
    parity: Mapping[str, Any] = next((variant["parity"] for variant in about["variants"]), {})
    verdict = verdict_line(parity.get("verdict", "NOT RUN"), basis, parity)
    first, *others = format_basis(basis)
    return [
        f"  verdict   {verdict}; {first}",
        *(f"            {line}" for line in others),
    ]


def format_steps(steps: float) -> str:
    return f"{steps:.0f} step{'' if round(steps) == 1 else 's'}"


def _format_variant(variant: Mapping[str, Any]) -> str:
    parity, rate = variant["parity"], recorded_rate(variant["speed"])
    rows = parity.get("rows", [])
    most = max(rows, key=lambda row: row["images"]) if rows else None
    words = [f"{variant['name']:16} {parity.get('verdict', 'NOT RUN'):7} {variant['bytes'] / 2**20:6.1f} MiB"]
    if most is not None:
        decibels = "∞" if most["psnr_db"] is None else f"{most['psnr_db']:.1f}"
        words.append(f"PSNR {decibels} dB, max {format_steps(most['max_step'])} over {most['images']:,} pictures")
    if rate is not None:
        words.append(f"{format_rate(rate)} pictures/s")
    return ", ".join(words)


def bundles_here() -> list[Bundle]:
    """Every bundle that `--bundle NAME` finds, the newest under artifacts/ first; damaged ones are skipped."""
    found = []
    for root in PLACES:
        for folder in folders_newest_first(root, MANIFEST):
            with contextlib.suppress(ArtefactError):
                found.append(open_bundle(folder))
    return found


def bundle_argument(folder: Path) -> str:
    """What `--bundle` takes for this folder: its name, where no other bundle of that name comes first, else its path."""
    return folder.name if bundle_named(folder.name) == folder and not Path(folder.name).exists() else str(folder)


def format_bundles(bundles: Sequence[Bundle], default: Bundle) -> str:
    """`gan list` for people."""
    rows = []
    for each in bundles:
        classes = f", {len(each.spec.classes)} classes" if each.spec.classes else ""
        drawn = " (drawn where none is named)" if each.path == default.path else ""
        rows.append((bundle_argument(each.path), f"{format_picture_facts(each.spec.to_dict())}{classes}{drawn}"))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:{width}}  {facts}" for name, facts in rows)


def check_classes(wanted: str, bundle: Bundle) -> None:
    """Raise UsageError for a class of a generator that has none, naming bundles that have."""
    if bundle.spec.classes is not None:
        return
    others = [bundle_argument(each.path) for each in bundles_here() if each.spec.classes is not None]
    hint = f"leave it out, or draw from {' or '.join(others)}" if others else "leave it out"
    raise no_classes(f"--class {wanted}", bundle.spec.name, hint)
