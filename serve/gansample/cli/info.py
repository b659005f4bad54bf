"""What a bundle, or a picture drawn from one, contains: as plain data, and formatted for people."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gansample.bundle.basis import Basis, format_basis, grade
from gansample.bundle.open import ARTIFACTS, EMBEDDED, MANIFEST, REFERENCE, Bundle, open_bundle, read_file
from gansample.bundle.spec import parse_json
from gansample.errors import ArtefactError, UsageError
from gansample.latents import LatentSpace, check_seed, parse_seeds
from gansample.runtimes.backends import BACKEND_OF
from gansample.sampling.options import SELECTIONS
from gansample.sampling.selection import Mix

PICTURES = (".png", ".webp", ".jpg", ".jpeg", ".gif")  # what `metadata.read_metadata` reads


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """Spec, variants with their receipts, what was left out and why, and provenance, as plain data."""
    manifest: dict[str, Any] = {}
    if bundle.path.is_dir():
        manifest = parse_json(read_file(bundle.path / MANIFEST).decode(), str(bundle.path))
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
    """`describe_bundle` for people."""
    image, latent, classes = about["image"], about["latent"], about["classes"]
    lines = [
        f"{about['name']}   {about['path']}",
        f"  draws     {image['height']}×{image['width']} pictures, {image['channels']} channel(s)",
        f"  latent    {latent['size']} components, {latent['distribution']}",
        *([f"  classes   {', '.join(classes)}"] if classes else []),
        f"  model     {REFERENCE} sha256 {about['sha256']}",
        *_format_verdict(about),
        "  variants",
    ]
    lines += [f"    {_format_variant(variant)}" for variant in about["variants"]]
    lines += [f"    {entry['name']:16} {entry['verdict']}: {'; '.join(entry['reasons'])}" for entry in about["left_out"]]
    provenance = json.dumps(about["provenance"], indent=2, ensure_ascii=False).splitlines()
    return "\n".join([*lines, "  provenance", *(f"    {line}" for line in provenance)])


def _format_verdict(about: Mapping[str, Any]) -> list[str]:
    """The reference graph's verdict at export, and what it rests on."""
    basis = Basis.from_dict(about["basis"], about["path"])
    verdict = next((variant["parity"].get("verdict", "NOT RUN") for variant in about["variants"]), "NOT RUN")
    first, *others = format_basis(basis)
    return [f"  verdict   {grade(verdict, basis)}; {first}", *(f"            {line}" for line in others)]


def _format_variant(variant: Mapping[str, Any]) -> str:
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
    """The metadata of `source`, and the command that draws it again.

    The bundle is named where one under `artifacts`, or in the package, has the picture's model digest.
    Raises ArtefactError where the metadata does not say what was drawn, or says nothing that can be drawn.
    """
    kind = next((kind for kind in SELECTIONS if kind in metadata), "seeds")
    try:
        _check_selection(kind, metadata.get(kind))
    except UsageError:
        raise ArtefactError(
            f"{source} has the {kind} {metadata.get(kind)!r} in its metadata, which is not one", "it was changed after drawing"
        ) from None
    bundle = _bundle_of(metadata.get("model_sha256"), artifacts)
    command = ["gansample", *(["--bundle", str(bundle)] if bundle is not None else [])]
    for option in (kind, *SELECTIONS[kind], "class", "truncation", "grid", "pad", "fps", "upscale"):
        if option in metadata:
            command += [f"--{option}"] if metadata[option] is True else [f"--{option}", str(metadata[option])]
    command += [*_engine_options(metadata), _again(metadata, source)]
    return {
        "path": str(source),
        "metadata": dict(metadata),
        "bundle": str(bundle) if bundle is not None else None,
        "command": shlex.join(command),
    }


def _check_selection(kind: str, value: Any) -> None:
    """Raise UsageError for a value that the option would refuse, so that no command is made of arbitrary text."""
    if kind in ("seeds", "walk"):
        parse_seeds(str(value), f"--{kind}")
    elif kind == "around":
        check_seed(value if isinstance(value, int) else -1)
    elif kind == "mix":
        Mix.parse(str(value), LatentSpace(1))
    elif not isinstance(value, str) or value.startswith("-"):
        raise UsageError(f"--{kind} is {value!r}", "it is a file's name")


def _engine_options(metadata: Mapping[str, Any]) -> list[str]:
    """What makes the same engine draw it, where that is not the one that opens fastest."""
    backend, variant = BACKEND_OF.get(str(metadata.get("backend"))), str(metadata.get("variant", ""))
    options = ["--backend", backend] if backend not in (None, "onnxruntime") else []
    return options if variant.endswith("fp32") or not variant else [*options, "--precision", "fast"]


def _again(metadata: Mapping[str, Any], source: Path) -> str:
    """A name of the same form: a sheet or a video was one file; everything else was one of a folder of single pictures."""
    return f"again{source.suffix}" if {"grid", "fps"} & metadata.keys() else "again"


def format_picture(about: Mapping[str, Any]) -> str:
    """`describe_picture` for people: the facts, and last the command."""
    facts = "\n".join(f"  {key:13} {value}" for key, value in about["metadata"].items())
    missing = "" if about["bundle"] else "\n  no bundle under artifacts/ has its model: add --bundle FOLDER"
    return f"{about['path']}\n{facts}{missing}\n\n{about['command']}"


def _bundle_of(sha256: Any, artifacts: Path) -> Path | None:
    """The bundle under `artifacts`, or else of the package, whose model has that digest; damaged ones are skipped."""
    for manifest in (*sorted(artifacts.glob(f"*/{MANIFEST}")), *sorted(EMBEDDED.glob(f"*/{MANIFEST}"))):
        try:
            bundle = open_bundle(manifest)
        except ArtefactError:
            continue
        if bundle.sha256 == sha256:
            return Path(manifest.parent.name) if manifest.is_relative_to(EMBEDDED) else manifest.parent
    return None
