"""What a bundle, or a picture drawn from one, says about itself."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gansample.bundle import ARTIFACTS, MANIFEST, REFERENCE, Bundle, open_bundle, read_file
from gansample.errors import ArtefactError, UsageError
from gansample.latents import parse_seeds
from gansample.spec import parse_json


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """Spec, variants with their receipts, what was left out and why, and provenance, as plain data."""
    manifest: dict[str, Any] = {}
    if bundle.path.is_dir():
        manifest = parse_json(read_file(bundle.path / MANIFEST).decode(), str(bundle.path))
    return {
        "path": str(bundle.path),
        **bundle.spec.to_dict(),
        "sha256": bundle.sha256,
        "variants": [
            {**variant.to_dict(), "bytes": sum(bundle.files[name].bytes for name in variant.files)}
            for variant in bundle.variants
        ],
        "left_out": manifest.get("left_out", []),
        "files": {name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in bundle.files.items()},
    }


def bundle_words(about: Mapping[str, Any]) -> str:
    """`describe_bundle` for people."""
    image, latent, classes = about["image"], about["latent"], about["classes"]
    lines = [
        f"{about['name']}   {about['path']}",
        f"  draws     {image['height']}×{image['width']} pictures, {image['channels']} channel(s)",
        f"  latent    {latent['size']} components, {latent['distribution']}",
        *([f"  classes   {', '.join(classes)}"] if classes else []),
        f"  model     {REFERENCE} sha256 {about['sha256']}",
        "  variants",
    ]
    lines += [f"    {_variant_words(variant)}" for variant in about["variants"]]
    lines += [f"    {entry['name']:16} {entry['verdict']}: {'; '.join(entry['reasons'])}" for entry in about["left_out"]]
    provenance = json.dumps(about["provenance"], indent=2, ensure_ascii=False).splitlines()
    return "\n".join([*lines, "  provenance", *(f"    {line}" for line in provenance)])


def _variant_words(variant: Mapping[str, Any]) -> str:
    parity, speed = variant["parity"], variant["speed"].get("images_per_second", {})
    rows = parity.get("rows", [])
    most = max(rows, key=lambda row: row["images"]) if rows else None
    words = [f"{variant['name']:16} {parity.get('verdict', 'NOT RUN'):7} {variant['bytes'] / 2**20:6.1f} MiB"]
    if most is not None:
        decibels = "∞" if most["psnr_db"] is None else f"{most['psnr_db']:.1f}"
        words.append(f"PSNR {decibels} dB, max {most['max_step']:.0f} steps over {most['images']:,} pictures")
    if "64" in speed:
        words.append(f"{speed['64']:,.0f} pictures/s")
    return ", ".join(words)


def describe_picture(metadata: Mapping[str, Any], source: Path, artifacts: Path = ARTIFACTS) -> dict[str, Any]:
    """What `source` remembers, and the command that draws it again.

    The bundle is named where one under `artifacts` has the picture's model digest.
    Raises ArtefactError where the seeds are missing or no seeds.
    """
    seeds = metadata.get("seeds")
    try:
        parse_seeds(str(seeds))
    except UsageError:
        raise ArtefactError(f"{source} remembers the seeds {seeds!r}, which are none", "it was changed after drawing") from None
    bundle = _bundle_of(metadata.get("model_sha256"), artifacts)
    command = ["gansample", *(["--bundle", str(bundle)] if bundle is not None else []), "--seeds", str(seeds)]
    for option in ("class", "truncation", "grid"):
        if option in metadata:
            command += [f"--{option}", str(metadata[option])]
    # A picture without a grid was one of a folder of single pictures: a grid of one has a border.
    command += ["again.png"] if "grid" in metadata else ["--out-dir", "again"]
    return {
        "path": str(source),
        "metadata": dict(metadata),
        "bundle": str(bundle) if bundle is not None else None,
        "command": shlex.join(command),
    }


def picture_words(about: Mapping[str, Any]) -> str:
    """`describe_picture` for people: the facts, and last the command."""
    facts = "\n".join(f"  {key:13} {value}" for key, value in about["metadata"].items())
    missing = "" if about["bundle"] else "\n  its bundle is not under artifacts/: add --bundle FOLDER"
    return f"{about['path']}\n{facts}{missing}\n\n{about['command']}"


def _bundle_of(sha256: Any, artifacts: Path) -> Path | None:
    """The folder under `artifacts` whose model has that digest; damaged neighbours are passed over."""
    for manifest in sorted(artifacts.glob(f"*/{MANIFEST}")):
        try:
            bundle = open_bundle(manifest)
        except ArtefactError:
            continue
        if bundle.sha256 == sha256:
            return manifest.parent
    return None
