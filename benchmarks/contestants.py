"""Everything that is measured, each as one function that draws a batch. Each runs in a process of its own."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.rates import Draw
from gansample.latents import latents

# Peer -> in what it computes. Eager comes first: every ratio is to it.
PEERS: Mapping[str, str] = {
    "pytorch-eager-fp32": "fp32",
    "torch-compile-fp32": "fp32",
    "torch-compile-freezing-fp32": "fp32",
    "aot-inductor-fp32": "fp32",
    "pytorch-bf16-channels-last": "bf16",  # autocast
    "pytorch-model-bf16": "bf16",
    "torch-compile-freezing-bf16": "bf16",
    "aot-inductor-bf16": "bf16",
    "onnxruntime-plain-export": "fp32",
    "onnxruntime-tuned": "fp32",
    "openvino-ovc-fp32": "fp32",
    "openvino-ovc-bf16": "bf16",
    "openvino-nncf-int8": "int8",
}


def open_contestant(name: str, bundle: Path, weights: Path | None, batch: int, threads: int) -> Draw:
    """The contestant `name`, ready to draw `batch` pictures: one of PEERS, or a variant of the bundle."""
    if name.startswith(("pytorch-", "torch-", "aot-")):
        from benchmarks.torch_peers import open_torch

        return open_torch(name, weights, batch, threads)
    if name in PEERS:
        from benchmarks.runtime_peers import open_runtime

        return open_runtime(name, bundle / "plain.onnx", weights, batch, threads)
    from gansample.bundle.open import open_bundle
    from gansample.runtimes.open import open_runner

    opened = open_bundle(bundle / "bundle")
    variant = opened.variant(name)
    runner = open_runner(opened, variant.runtime, variant, threads)
    z = latents(range(batch), opened.spec.latent_size)
    return lambda: runner.run(z, None)
