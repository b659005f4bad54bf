"""The bundle's bill of materials: CycloneDX 1.6 with the model, its card, its data and what exported it (an ML-BOM).

It holds nothing that was timed, and no date, so that the same checkpoint exported with the same lock gives the same
bytes. Specification: https://cyclonedx.org/docs/1.6/json/ (a test checks ours against the schema that is published there).
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from gansample.bundle.open import GOLDENS, REFERENCE
from gansample.bundle.seal import digest
from gansample.bundle.spec import Spec, Variant

BOM = "bom.cdx.json"
MODEL, DATA = "model", "training-data"  # how the entries of one document refer to each other


def bom_bytes(spec: Spec, variants: Sequence[Variant], files: Mapping[str, bytes]) -> bytes:
    """The document as a file.

    files  path inside the bundle -> bytes. Those that say what is drawn (the variants' and the goldens) are listed; the report
           and the card are not, which quote speeds.
    """
    listed = sorted({GOLDENS, *(name for variant in variants for name in variant.files)})
    tools = spec.provenance.get("exported_with", {})
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest(files[REFERENCE]))}",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [_library(name, tools[name]) for name in sorted(tools)]},
            "component": _model(spec, variants, files[REFERENCE]),
        },
        "components": [*_data(spec), *(_file(name, files[name]) for name in listed)],
        "dependencies": [
            {"ref": MODEL, "dependsOn": [*([DATA] if _data(spec) else []), *(f"file:{name}" for name in listed)]},
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _model(spec: Spec, variants: Sequence[Variant], reference: bytes) -> dict[str, Any]:
    training = spec.provenance.get("config", {})
    labels = [{"format": f"label: int64 (N,), {len(spec.classes)} classes"}] if spec.classes is not None else []
    psi = [{"format": "psi: float32 (N,), of mapping.onnx"}] if spec.mapping is not None else []
    facts = {
        "gansample:latent.distribution": spec.distribution,
        "gansample:image.range": spec.value_range,
        "gansample:checkpoint.sha256": spec.provenance.get("checkpoint_sha256"),
        **{f"gansample:training.{name}": training[name] for name in sorted(training)},
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": spec.name,
        "version": digest(reference)[:12],
        "hashes": [{"alg": "SHA-256", "content": digest(reference)}],
        "modelCard": {
            "modelParameters": {
                "task": "image generation",
                "architectureFamily": "generative adversarial network",
                **({"datasets": [{"ref": DATA}]} if _data(spec) else {}),
                "inputs": [{"format": f"z: float32 (N, {spec.latent_size})"}, *labels, *psi],
                "outputs": [{"format": f"images: uint8 (N, {spec.height}, {spec.width}, {spec.channels})"}],
            },
            "quantitativeAnalysis": {"performanceMetrics": [*_scores(spec), *_parity(variants)]},
        },
        "properties": [
            {"name": name, "value": value if isinstance(value, str) else json.dumps(value)}
            for name, value in facts.items()
            if value is not None
        ],
    }


def _scores(spec: Spec) -> list[dict[str, str]]:
    """The training run's own scores of its pictures; [] where it has none."""
    scores = spec.provenance.get("metrics", {}).get("scores", {})
    return [
        {"type": f"{name} (docs/scores.md)", "value": str(scores[name])}
        for name in ("frechet", "kernel", "precision", "recall", "density", "coverage")
        if name in scores
    ]


def _parity(variants: Sequence[Variant]) -> list[dict[str, str]]:
    """How near every variant draws to its reference, over the largest row of its receipt."""
    metrics = []
    for variant in variants:
        if rows := variant.parity.get("rows"):
            most = max(rows, key=lambda row: row["images"])
            slice_ = f"{variant.name}, {most['images']} pictures"
            metrics += [
                {"type": f"max 8-bit step from {variant.reference}", "value": str(most["max_step"]), "slice": slice_},
                {"type": "identical pixels", "value": str(most["identical"]), "slice": slice_},
            ]
    return metrics


def _data(spec: Spec) -> list[dict[str, Any]]:
    data = spec.provenance.get("data", {})
    if "name" not in data:
        return []
    entry = {"type": "data", "bom-ref": DATA, "name": data["name"], "data": [{"type": "dataset", "name": data["name"]}]}
    facts = {name: str(data[name]) for name in ("fingerprint", "images") if name in data}
    return [{**entry, "properties": [{"name": f"gansample:data.{name}", "value": value} for name, value in facts.items()]}]


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{name}",
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": digest(data)}],
        "properties": [{"name": "gansample:bytes", "value": str(len(data))}],
    }


def _library(name: str, version: str) -> dict[str, str]:
    if name in ("python", "gansample"):  # neither came from an index
        return {"type": "application" if name == "gansample" else "platform", "name": name, "version": version}
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version.partition('+')[0]}"}
