"""Any generator -> an `ExportModel`: read the file, find the call signature, measure the pictures, and log all of it."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from unicodedata import normalize

import torch
from torch import Tensor, nn

from export.effort import fewer_of_size
from export.export_model import ExportModel
from export.importers.batch_statistics import batch_norms, recalibrate
from export.importers.call_signature import CallSignature, GeneratorAdapter, inputs
from export.importers.checks import batch_independent, check_batch_statistics, check_order, check_pictures, refuse_random
from export.importers.choices import check_decided
from export.importers.effects import note_idle
from export.importers.facts import record_distribution, record_latent, record_picture, record_reading
from export.importers.families.recognise import family_of, told_by
from export.importers.from_class import module_from_class
from export.importers.from_names.chain import Chain
from export.importers.from_names.layers import check_generator, layers_of
from export.importers.from_names.recognise import recognise
from export.importers.from_names.segments import DISTRIBUTIONS
from export.importers.from_onnx import network_from_onnx
from export.importers.from_pickle import pick_pickled, told_network
from export.importers.from_torchscript import network_from_torchscript
from export.importers.import_log import ImportLog
from export.importers.module_sizes import named_image, named_values
from export.importers.noise import NoiseReplaced, seeded
from export.importers.onnx_adapter import OnnxAdapter
from export.importers.onnx_network import OnnxNetwork
from export.importers.operations import operations_of
from export.importers.outputs import picture_in
from export.importers.probe import find_call
from export.importers.request import ImportRequest
from export.importers.state_dict import StateDict, pick_state_dict
from export.importers.style_adapter import with_style_parts
from export.importers.told import Told
from export.importers.trial_call import Hints
from export.importers.value_range import find_range
from export.importers.weights import read_weights
from gansample.bundle.spec import Distribution, Spec, ValueRange
from gansample.errors import UsageError
from gansample.latents import latents

PROBES = 256  # latents whose pictures are checked
RECALIBRATION = 4096
NOISE_BATCH = 11  # a length that no noise has but for the batch


class LoadedModule(NamedTuple):
    """A module, and what its file says about it."""

    module: nn.Module
    sha256: str
    values: Mapping[str, Any]
    kind: str
    distribution: Distribution | None = None
    distribution_margin: str | None = None
    """By how much the distribution fits better than another; None where nothing measured it."""
    assumed_range: ValueRange | None = None
    """Of a last activation that no tensor tells."""
    told: Told | None = None
    """How it is called and what it draws, where the file says that itself."""


class Imported(NamedTuple):
    generator: ExportModel
    log: ImportLog


def load_generator(request: ImportRequest) -> Imported:
    """The generator that `request` names, and the log of what was found out about it.

    Raises ArtefactError where it is no generator, is damaged or cannot be exported; UsageError where more must be said.
    """
    log = ImportLog()
    loaded = _load(request, log)
    module, signature = _call(loaded, request, log)
    distribution = request.latent or request.author_latents or loaded.distribution or "normal"
    if loaded.told is None or not loaded.told.noise_settled:
        module, signature = _without_noise(module, signature, distribution, request, log)
    adapter = OnnxAdapter(module, signature) if isinstance(module, OnnxNetwork) else GeneratorAdapter(module, signature)
    adapter.eval()
    by_user = "--latent" if request.latent is not None else "the author's latents" if request.author_latents else None
    by_file = loaded.told.by if loaded.told is not None else None
    record_distribution(distribution, by_user or by_file, loaded.distribution_margin, log)
    if request.author_latents not in (None, distribution):
        log.warn(f"the author's latents look {request.author_latents}, --latent says {distribution}")
    size = signature.image[1:]
    z, label = _latents(signature, distribution, min(PROBES, fewer_of_size(*size, 2 * PROBES, least=16)))
    refuse_random(adapter, z[:8], label[:8] if label is not None else None)
    if request.recalibrate_bn:
        _recalibrate(adapter, distribution, log)
    if not isinstance(module, OnnxNetwork):
        note_idle(adapter, loaded.module, z, label, log)
    adapter = batch_independent(adapter, z[:16], label[:16] if label is not None else None, log)
    if not isinstance(module, OnnxNetwork):
        adapter = with_style_parts(adapter, z[:4], label[:4] if label is not None else None, log)
    n = signature.batch or 2
    images = _drawn(adapter, z, label, fewer_of_size(*size, 64))
    told = (request.value_range, "--range") if request.value_range is not None else None
    if told is None and loaded.told is not None:
        told = loaded.told.value_range, loaded.told.by
    if isinstance(module, OnnxNetwork):
        last = module.last_operation
    else:
        last = operations_of(lambda: module(*inputs(signature, z[:n], label[:n] if label is not None else None)))[1].last
    value_range = find_range(images, log, told, last, loaded.assumed_range)
    check_pictures(images, value_range, log)
    check_order(images, signature.layout, log)
    if not request.recalibrate_bn:
        n = min(64, fewer_of_size(*size, 128, least=16))
        check_batch_statistics(adapter, z[:n], label[:n] if label is not None else None, value_range, log)
    spec = Spec(
        name=request.bundle_name,
        latent_size=signature.latent_size,
        distribution=distribution,
        channels=signature.image[0],
        height=signature.image[1],
        width=signature.image[2],
        value_range=value_range,
        classes=_class_names(signature, request),
        provenance={
            "source": {"file": request.source.name, "sha256": loaded.sha256, "kind": loaded.kind},
            "called": signature.describe(),
            "findings": log.to_list(),
        },
        basis=log.basis,
    )
    return Imported(ExportModel(adapter, spec), log)


def _load(request: ImportRequest, log: ImportLog) -> LoadedModule:
    if request.onnx is not None:
        graph = network_from_onnx(request.onnx, request.noise)
        log.fact("layers", "the graph", "told", "the ONNX file")
        for finding in graph.findings:
            log.measured(finding)
        if graph.noise:
            _record_noise(graph.noise, request, log)
        return LoadedModule(graph.network, graph.sha256, graph.values, "ONNX graph")
    if request.torchscript is not None:
        program, sha256 = network_from_torchscript(request.torchscript)
        log.fact("layers", "the program", "told", "the TorchScript file")
        return LoadedModule(program, sha256, {}, "TorchScript program")
    assert request.weights is not None
    file = read_weights(request.weights)
    if file.pickled:
        picked = pick_pickled(file, log, request.key)
        if request.generator is None and picked.family is not None:
            network, told = told_network(picked, picked.family, request)
            return LoadedModule(network, file.sha256, {}, f"pickled {picked.family.name}", told=told)
        weights = picked.state_dict()
    else:
        weights = pick_state_dict(file, log, request.key)
    if request.generator is not None:
        module = module_from_class(request.generator, weights, request.kwargs or {}, log)
        return LoadedModule(module, weights.sha256, weights.values, "class and weights")
    if request.chain is None and (known := family_of(weights.averaged(), request)) is not None:
        told = told_by(known, request)
        return LoadedModule(
            known.network, weights.sha256, weights.values, f"weights of the family {known.family.name}", told=told
        )
    return _chain(request, weights, log)


def _chain(request: ImportRequest, weights: StateDict, log: ImportLog) -> LoadedModule:
    """A generator without a class: the chain that the user wrote, or the one that the tensors tell."""
    weights = weights.averaged()
    layers = layers_of(weights.tensors)
    if not weights.order_told:
        log.assumed(f"{weights.file} does not keep the order of its layers, it is taken from their names")
    if request.chain is not None:
        log.fact("layers", request.chain, "told", "--chain")
        return LoadedModule(Chain(request.chain, layers), weights.sha256, weights.values, "chain and weights")
    check_generator(layers, weights.file)
    size = request.latent_shape[0] if request.latent_shape is not None else None
    told = request.latent or request.author_latents
    known = (told,) if told is not None else DISTRIBUTIONS
    found = recognise(layers, weights.file, request.image or named_image(weights.values), size, known)
    ends_in: ValueRange = "sigmoid" if (request.value_range or request.author_range) == "sigmoid" else "tanh"
    text = found.text.removesuffix("tanh") + ends_in
    check_decided(found, ends_in, weights.file)
    record_reading(found, text, log)
    return LoadedModule(
        Chain(text, found.layers),
        weights.sha256,
        weights.values,
        "recognised weights",
        found.measured.distribution,
        found.measured.distribution_margin,
        ends_in,
    )


def _call(loaded: LoadedModule, request: ImportRequest, log: ImportLog) -> tuple[nn.Module, CallSignature]:
    """The module in the form in which it is called, and how."""
    if loaded.told is not None:
        for fact in loaded.told.facts:
            log.fact(fact.name, fact.value, fact.known, fact.how)
        return loaded.module, loaded.told.signature
    in_file, in_class = named_image(loaded.values), named_image(*named_values(loaded.module, {}))
    hints = Hints(
        latent=request.latent_shape or loaded.values.get("latent_shape"),
        classes=request.classes or (len(request.class_names) if request.class_names is not None else None),
        image=request.image or in_file,
        flat_image=in_class,
        values=loaded.values,
    )
    found = find_call(loaded.module, hints, request.source.name, request.call)
    signature = found.signature
    log.measured(f"called as {signature.describe()}")
    for note in found.notes:
        log.measured(note)
    for fact in found.facts:
        log.fact(fact.name, fact.value, fact.known, fact.how)
    record_latent(signature, loaded.module, request, loaded.values, log)
    z, label = _latents(signature, "normal", signature.batch or 2)
    with torch.no_grad(), torch.random.fork_rng():
        out = found.module(*inputs(signature, z, label))
    told = {in_class: "its class", in_file: "the file"}
    record_picture(signature, out, request, told.get(signature.image), log)
    return found.module, signature


def _without_noise(
    module: nn.Module, signature: CallSignature, distribution: Distribution, request: ImportRequest, log: ImportLog
) -> tuple[nn.Module, CallSignature]:
    """`module` without the random operations of its forward, as --noise says, or because they move nothing; how it is called.

    Raises UsageError where --noise finds none.
    """
    if isinstance(module, OnnxNetwork):
        return module, signature  # without any: it was read as --noise says
    batch = signature.batch or NOISE_BATCH
    args = inputs(signature, *_latents(signature, "normal", batch))
    once, seen = operations_of(lambda: picture_in(module(*args)))
    if not seen.random:
        if request.noise is not None:
            raise UsageError("--noise: forward draws none", "leave it out")
        return module, signature
    if request.noise == "seeded":
        found = seeded(NoiseReplaced(module, "none", args, batch), signature, distribution)
        more = found[1].latent_size - signature.latent_size
        log.fact(
            "noise",
            "seeded",
            "told",
            f"--noise, {more} more components of the latent in place of {', '.join(sorted(seen.random))}",
        )
        return found
    if request.noise is not None:
        _record_noise(seen.random, request, log)
        return NoiseReplaced(module, request.noise, args, batch), signature
    with torch.no_grad():
        quiet = NoiseReplaced(module, "none", args, batch)
        if not torch.equal(picture_in(quiet(*args)), once):
            return module, signature  # refused, by name, as soon as the pictures are looked at
    _record_noise(seen.random, request, log)
    return quiet, signature


def _record_noise(random: Collection[str], request: ImportRequest, log: ImportLog) -> None:
    names = ", ".join(sorted(random))
    if request.noise is not None:
        log.fact("noise", request.noise, "told", f"--noise, in place of {names}")
    else:
        log.fact("noise", "none", "measured", f"what the network draws ({names}) does not move the picture")


def _latents(signature: CallSignature, distribution: Distribution, n: int) -> tuple[Tensor, Tensor | None]:
    z = torch.from_numpy(latents(range(n), signature.latent_size, distribution))
    return z, torch.arange(n) % signature.classes if signature.classes is not None else None


@torch.no_grad()
def _drawn(adapter: GeneratorAdapter, z: Tensor, label: Tensor | None, batch: int) -> Tensor:
    """All pictures (N, C, H, W), drawn `batch` at a time."""
    parts = [slice(start, start + batch) for start in range(0, len(z), batch)]
    return torch.cat([adapter(z[part], label[part] if label is not None else None) for part in parts])


def _recalibrate(adapter: GeneratorAdapter, distribution: Distribution, log: ImportLog) -> None:
    layers = batch_norms(adapter)
    if not layers:
        raise UsageError("--recalibrate-bn: the generator has no BatchNorm", "leave it out")
    size = adapter.signature.image[1:]
    n, batch = fewer_of_size(*size, RECALIBRATION, least=256), fewer_of_size(*size, 64, least=16)
    recalibrate(adapter, *_latents(adapter.signature, distribution, n), batch)
    log.measured(f"the statistics of {len(layers)} BatchNorm layers were measured anew on {n} latents")


def _class_names(signature: CallSignature, request: ImportRequest) -> tuple[str, ...] | None:
    if signature.classes is None:
        if request.class_names is not None or request.classes is not None:
            raise UsageError("--classes: the generator takes no label", "leave it out")
        return None
    if request.class_names is not None:
        if len(request.class_names) != signature.classes:
            given = len(request.class_names)
            raise UsageError(f"--class-names has {given} names, the generator {signature.classes} classes", "name every class")
        return tuple(normalize("NFC", name) for name in request.class_names)
    return tuple(str(index) for index in range(signature.classes))
