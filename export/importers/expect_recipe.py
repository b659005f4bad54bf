"""Lines of Python that make the file for `--expect`, on the machine where the model is: by what runs it there."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from export.export_model import ExportModel
from export.importers.call_forms import CallForm, CallsPart, EmbedsLabel, InList, WithoutLabel, innermost
from export.importers.call_signature import CallSignature, GeneratorAdapter, inputs
from export.importers.noise import NoiseReplaced, NoiseSeeded
from export.importers.onnx_network import OnnxNetwork
from export.importers.outputs import access_to, picture_in
from gansample.bundle.spec import Distribution

PICTURES = 64


@dataclass(frozen=True, slots=True)
class _Python:
    """How a library writes what a recipe needs."""

    normal: str
    uniform: str
    label: str
    onehot: str
    planes: str
    joined: str


TORCH = _Python(
    normal="torch.randn({shape})",
    uniform="torch.rand({shape}) * 2 - 1",
    label="torch.arange({n}) % {classes}",
    onehot="torch.eye({classes})[label]",
    planes="{onehot}[:, :, None, None]",
    joined="torch.cat([z, {onehot}], 1)",
)
NUMPY = _Python(
    normal="np.random.standard_normal(({shape})).astype('float32')",
    uniform="np.random.uniform(-1, 1, ({shape})).astype('float32')",
    label="np.arange({n}) % {classes}",
    onehot="np.eye({classes}, dtype='float32')[label]",
    planes="{onehot}[:, :, None, None]",
    joined="np.concatenate([z, {onehot}], 1)",
)


def recipe(generator: ExportModel) -> str:
    """The line that draws the generator's pictures and saves them as ref.npz.

    It opens ONNX and TorchScript files itself; otherwise `G` is the author's network. Empty where that draws noise of its own.
    """
    network, spec = generator.network, generator.spec
    if not isinstance(network, GeneratorAdapter):
        layers = (layer for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d | nn.Linear | nn.Conv2d))
        first = next(layers, None)
        planes = (1, 1) if isinstance(first, nn.ConvTranspose2d) else ()  # whose author gives latents as pictures of one pixel
        signature = CallSignature(latent=(spec.latent_size, *planes))
        if spec.classes is not None:
            signature = replace(signature, label="index", classes=len(spec.classes))
        return _torch(signature, spec.distribution, "G.cpu().eval()")
    source = spec.provenance["source"]
    if isinstance(network.module, OnnxNetwork):
        return _onnxruntime(network.module, network.signature, spec.distribution, source["file"])
    program = f"torch.jit.load({source['file']!r}, map_location='cpu').eval()"
    if source["kind"] == "TorchScript program":
        return _torch(network.signature, spec.distribution, program)
    if any(isinstance(layer, NoiseReplaced | NoiseSeeded) for layer in network.modules()):
        return ""
    form = network.module if not isinstance(network.module, torch.fx.GraphModule) else None  # as freed of its batch size
    return _torch(network.signature, spec.distribution, "G.cpu().eval()", form)


def _torch(signature: CallSignature, distribution: Distribution, network: str, form: nn.Module | None = None) -> str:
    """form  the network in the form in which it is called here, if that is not as it is."""
    made, given, saved = _inputs(TORCH, signature, distribution, PICTURES)
    if signature.label_first:
        given = given[::-1]
    if form is None or (not isinstance(form, CallForm) and _output(form, signature) == ""):
        return f"{made}np.savez('ref.npz', {saved}, out={network}({', '.join(given)}).detach())"
    drawn = _as_author(form, given) + _output(form, signature)
    return f"G.cpu().eval(); {made}np.savez('ref.npz', {saved}, out={drawn}.detach())"


def _as_author(form: nn.Module, given: list[str]) -> str:
    """The call of the author's network `G` that `form` makes of a call with `given`."""
    match form:
        case EmbedsLabel():
            z, label = given
            table = innermost(form).get_submodule(form.table)
            label = f"torch.eye({table.in_features})[label]" if isinstance(table, nn.Linear) else label
            vector = f"{f'G.{form.table}' if '.' not in form.table else f'G.get_submodule({form.table!r})'}({label})"
            return _as_author(form.module, [vector, z] if form.label_first else [z, vector])
        case WithoutLabel():
            value = form.value
            shape = ", ".join(map(str, (PICTURES, *value.shape[1:]))) if value is not None else ""
            same = f"torch.zeros({shape}, dtype={value.dtype})" if value is not None else "None"
            return _as_author(form.module, [same, *given] if form.label_first else [*given, same])
        case InList():
            return _as_author(form.module, [f"[{given[0]}]"])
        case CallsPart():
            return f"G.{form.part}({', '.join(given)})"
        case _:
            return f"G({', '.join(given)})"


@torch.no_grad()
def _output(form: nn.Module, signature: CallSignature) -> str:
    """How the picture is reached in what the network returns: nothing where it returns the picture."""
    n = signature.batch or 2
    z = torch.zeros(n, signature.latent_size)
    with torch.random.fork_rng():
        out = form(*inputs(signature, z, torch.zeros(n, dtype=torch.int64) if signature.classes is not None else None))
    return access_to(out, picture_in(out)) or ""


def _onnxruntime(network: OnnxNetwork, signature: CallSignature, distribution: Distribution, file: str) -> str:
    call = network.file_call
    n = PICTURES if call.batch is None else -(-PICTURES // call.batch) * call.batch
    made, given, saved = _inputs(NUMPY, signature, distribution, n)
    given = [f"{value}[:, None]" if value == "label" and call.label_column else value for value in given]
    feed = ", ".join(f"{name!r}: {value}.astype({kind!r})" for value, (name, kind) in zip(given, call.inputs, strict=True))
    run = f"run = onnxruntime.InferenceSession({file!r}).run; {made}"
    if call.batch is None:
        return f"{run}np.savez('ref.npz', {saved}, out=run([{call.output!r}], {{{feed}}})[0])"
    part = f"{{name: value[i:i+{call.batch}] for name, value in feed.items()}}"
    parts = f"[run([{call.output!r}], {part})[0] for i in range(0, {n}, {call.batch})]"
    joined = f"np.{'concatenate' if call.keeps_batch else 'stack'}({parts})"
    return f"{run}feed = {{{feed}}}; np.savez('ref.npz', {saved}, out={joined})"


def _inputs(python: _Python, signature: CallSignature, distribution: Distribution, n: int) -> tuple[str, list[str], str]:
    """(statements that make z and label, the arguments of the call, what is saved)."""
    joined = signature.label == "joined onehot"
    shape = (n, signature.latent_size) if joined else (n, *signature.latent)
    draw = python.normal if distribution == "normal" else python.uniform
    z = f"z = {draw.format(shape=', '.join(map(str, shape)))}; "
    if signature.classes is None:
        return z, ["z"], "z=z"
    label = f"label = {python.label.format(n=n, classes=signature.classes)}; "
    onehot = python.onehot.format(classes=signature.classes)
    many, shape_of_one = len(signature.latent) > 1, ", ".join(map(str, signature.latent))
    given = {
        "index": ["z", "label"],
        "onehot": ["z", onehot],
        "onehot planes": ["z", python.planes.format(onehot=onehot)],
        "joined onehot": [python.joined.format(onehot=onehot) + (f".reshape(-1, {shape_of_one})" if many else "")],
    }
    return z + label, given[signature.label], "z=z, label=label"
