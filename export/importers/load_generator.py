"""Any generator -> a generator. Reads, finds out how it is called, measures what it draws, and says all of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.export_model import ExportModel
from export.importers.batch_statistics import batch_norms, recalibrate
from export.importers.call_signature import Called, CallForm
from export.importers.checks import batch_independent, find_range, judge_pictures, judge_statistics, refuse_random
from export.importers.findings import Findings
from export.importers.from_class import module_from_class
from export.importers.from_names.chain import Chain
from export.importers.from_names.layers import check_generator, layers_of
from export.importers.from_names.recognise import recognise
from export.importers.from_onnx import network_from_onnx
from export.importers.from_torchscript import network_from_torchscript
from export.importers.probe import Hints, find_form
from export.importers.request import Request
from export.importers.state_dict import StateDict, pick_state_dict
from export.importers.weights import read_weights
from gansample.bundle.spec import Distribution, Spec, ValueRange
from gansample.errors import UsageError
from gansample.latents import latents

PROBES = 256  # latents that the pictures are judged by
RECALIBRATION = 4096
IMAGE_NAMES = ("img_shape", "image_shape", "img_size", "image_size")


class Loaded(NamedTuple):
    """A module, and what its file says about it."""

    module: nn.Module
    sha256: str
    values: Mapping[str, Any]
    kind: str
    distribution: Distribution | None = None
    value_range: ValueRange | None = None


class Taken(NamedTuple):
    generator: ExportModel
    findings: Findings


def take(request: Request, say: Callable[[str], None] = lambda text: None) -> Taken:
    """The generator that `request` names, as a generator with everything that was found out about it.

    Raises ArtefactError where it is no generator, is damaged or cannot be exported; UsageError where more must be said.
    """
    findings = Findings(say)
    loaded = _loaded(request, findings)
    form = _form(loaded, request, findings)
    called = Called(loaded.module, form).eval()
    distribution = request.latent or loaded.distribution or "normal"
    if request.latent is None and loaded.distribution is None:
        findings.assumed("latents are normal (--latent uniform if it was trained on uniform ones)")
    z, label = _latents(form, distribution, PROBES)
    refuse_random(called, z[:8], label[:8] if label is not None else None)
    if request.recalibrate_bn:
        _recalibrate(called, distribution, findings)
    called = batch_independent(called, z[:16], label[:16] if label is not None else None, findings)
    with torch.no_grad():
        images = called(z, label)
    value_range = find_range(images, findings, request.value_range or loaded.value_range)
    judge_pictures(images, value_range, findings)
    if not request.recalibrate_bn:
        judge_statistics(called, z[:64], label[:64] if label is not None else None, value_range, findings)
    spec = Spec(
        name=request.name or request.source.stem,
        latent_size=form.latent_size,
        distribution=distribution,
        channels=form.image[0],
        height=form.image[1],
        width=form.image[2],
        value_range=value_range,
        classes=_class_names(form, request),
        provenance={
            "source": {"file": request.source.name, "sha256": loaded.sha256, "kind": loaded.kind},
            "called": form.words(),
            "findings": findings.to_list(),
        },
    )
    return Taken(ExportModel(called, spec), findings)


def _loaded(request: Request, findings: Findings) -> Loaded:
    if request.onnx is not None:
        graph = network_from_onnx(request.onnx)
        return Loaded(graph.network, graph.sha256, graph.values, "ONNX graph")
    if request.torchscript is not None:
        program, sha256 = network_from_torchscript(request.torchscript)
        return Loaded(program, sha256, {}, "TorchScript program")
    assert request.weights is not None
    weights = pick_state_dict(read_weights(request.weights), findings, request.key)
    if request.generator is not None:
        module = module_from_class(request.generator, weights, request.kwargs, findings)
        return Loaded(module, weights.sha256, weights.values, "class and weights")
    return _chain(request, weights, findings)


def _chain(request: Request, weights: StateDict, findings: Findings) -> Loaded:
    """A generator without a class: the chain that the user wrote, or the one that the tensors tell."""
    layers = layers_of(weights.tensors)
    if request.chain is not None:
        return Loaded(
            Chain(request.chain, layers), weights.sha256, weights.values, "chain and weights", None, _ends_in(request.chain)
        )
    check_generator(layers, weights.file)
    size = request.latent_shape[0] if request.latent_shape is not None else None
    found = recognise(layers, weights.file, request.image or _image_in(weights.values), size)
    text = found.text if request.value_range != "sigmoid" else found.text.removesuffix("tanh") + "sigmoid"
    findings.assumed(f"the layers are: --chain '{text}'")
    if found.mismatch is not None:
        findings.measured(
            f"BatchNorm's statistics are {found.mismatch:.2f} from what these layers give (right ones below 0.25)"
        )
        if found.mismatch > 0.4:
            findings.warn("these layers do not reproduce BatchNorm's statistics: pass the class, or correct the --chain")
    if request.value_range is None:
        findings.assumed("the last activation is tanh (--range sigmoid if it was trained on pictures in 0..1)")
    if found.runner_up is not None:
        findings.assumed(f"nearly as plausible: --chain '{found.runner_up}'")
    distribution = found.distribution if found.mismatch is not None else None
    if distribution is not None:
        findings.measured(f"latents are {distribution}, by the first BatchNorm's statistics")
    value_range: ValueRange = request.value_range or "tanh"
    return Loaded(Chain(text, found.layers), weights.sha256, weights.values, "recognised weights", distribution, value_range)


def _ends_in(chain: str) -> ValueRange | None:
    last = chain.split()[-1] if chain.split() else ""
    return "tanh" if last == "tanh" else "sigmoid" if last == "sigmoid" else None


def _form(loaded: Loaded, request: Request, findings: Findings) -> CallForm:
    hints = Hints(
        latent=request.latent_shape or loaded.values.get("latent_shape"),
        classes=request.classes or (len(request.class_names) if request.class_names is not None else None),
        image=request.image or _image_in(loaded.values),
        values=loaded.values,
    )
    form = find_form(loaded.module, hints, request.source.name)
    if len(form.latent) == 3 and form.latent[1] > 1 and request.latent_shape is None:
        findings.assumed(f"latents are planes of {'×'.join(map(str, form.latent))} (--latent-shape CxHxW for another size)")
    findings.measured(f"called as {form.words()}")
    return form


def _image_in(values: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """A picture's shape as a checkpoint may hold it beside the weights."""
    for name in IMAGE_NAMES:
        shape = values.get(name)
        if isinstance(shape, list) and len(shape) == 3:
            return shape[0], shape[1], shape[2]
    return None


def _latents(form: CallForm, distribution: Distribution, n: int) -> tuple[Tensor, Tensor | None]:
    z = torch.from_numpy(latents(range(n), form.latent_size, distribution))
    return z, torch.arange(n) % form.classes if form.classes is not None else None


def _recalibrate(called: Called, distribution: Distribution, findings: Findings) -> None:
    layers = batch_norms(called)
    if not layers:
        raise UsageError("--recalibrate-bn: the generator has no BatchNorm", "leave it out")
    recalibrate(called, *_latents(called.form, distribution, RECALIBRATION))
    findings.measured(f"the statistics of {len(layers)} BatchNorm layers were measured anew on {RECALIBRATION} latents")


def _class_names(form: CallForm, request: Request) -> tuple[str, ...] | None:
    if form.classes is None:
        if request.class_names is not None or request.classes is not None:
            raise UsageError("--classes: the generator takes no label", "leave it out")
        return None
    if request.class_names is not None:
        if len(request.class_names) != form.classes:
            given = len(request.class_names)
            raise UsageError(f"--class-names has {given} names, the generator {form.classes} classes", "name every class")
        return request.class_names
    return tuple(str(index) for index in range(form.classes))
