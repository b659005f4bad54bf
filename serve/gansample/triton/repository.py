"""The folder that `gan export-triton` writes.

    OUT/
    ├── onnx/<name>_onnx/           a model repository for the onnxruntime backend: config.pbtxt, warmup/, 1/model.onnx
    ├── tensorrt/<name>_tensorrt/   one for TensorRT: config.pbtxt, warmup/; build_plan.sh puts 1/model.plan there
    ├── seeds/<name>/               one for the Python backend, where gansample draws seeds: 1/model.py, 1/bundle/
    ├── build_plan.sh               a plan is executable code for one GPU and one TensorRT: it is built where it runs
    ├── replay.py, replay.json, golden.npz      sends the goldens to a server and gives a verdict
    └── README.md

Three repositories, because Triton loads a repository as a whole: pass those that the server has a backend for.
"""

import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.bundle.fidelity import GATES
from gansample.bundle.goldens import Goldens, read_goldens
from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.open import GOLDENS, MANIFEST, REFERENCE, Bundle
from gansample.errors import ArtefactError
from gansample.sampling.verify import check_digests
from gansample.system.atomic import folder_atomic
from gansample.system.replaceable import check_replaceable
from gansample.triton.config import WARMUP, Tensor, config_pbtxt, graph_inputs, seed_inputs

MARKER = "replay.json"  # a folder that has one may be replaced
MAX_BATCH = 64  # the batch that bundles' speeds are measured at; larger ones make DCGANs no faster


def export_triton(bundle: Bundle, out: Path, *, force: bool = False, max_batch: int = MAX_BATCH) -> list[str]:
    """Write the folder `out` and return the names of the three models in it.

    Raises ArtefactError for a damaged bundle or one without goldens, OutputError where `out` may not be replaced or written.
    """
    check_replaceable(out, kind="folder of model repositories", marker=MARKER, force=force)
    if not bundle.path.is_dir():
        raise ArtefactError(f"{bundle.path} is one file, and its goldens are missing", "pass the whole bundle folder")
    if bundle.spec.mapping is not None:
        raise ArtefactError(f"{bundle.path} draws through a mapping, and Triton's models have one graph", "use `gan serve`")
    check_digests(bundle)
    check_onnx(bundle.read(REFERENCE), str(bundle.path))
    goldens = read_goldens(bundle)
    name, spec = bundle.path.resolve().name, bundle.spec
    names = [f"{name}_onnx", f"{name}_tensorrt", name]
    for_graph, for_seeds = graph_inputs(spec), seed_inputs(spec)

    def write_model(model: Path, inputs: list[Tensor], backend: str, kind: str) -> None:
        """A model's folder with its version, its configuration and its warm-up inputs: the first golden, as raw bytes."""
        (model / "1").mkdir(parents=True)
        (model / WARMUP).mkdir()
        values = _arrays(goldens)
        for tensor in inputs:
            (model / WARMUP / tensor.name).write_bytes(values[tensor.name][:1].tobytes())
        text = config_pbtxt(model.name, spec, inputs, backend=backend, kind=kind, max_batch=max_batch)
        (model / "config.pbtxt").write_text(text, encoding="utf-8")

    with folder_atomic(out) as folder:
        onnx, tensorrt, seeds = folder / "onnx" / names[0], folder / "tensorrt" / names[1], folder / "seeds" / names[2]
        write_model(onnx, for_graph, "onnxruntime", "AUTO")
        (onnx / "1" / "model.onnx").write_bytes(bundle.read(REFERENCE))
        write_model(tensorrt, for_graph, "tensorrt", "GPU")
        write_model(seeds, for_seeds, "python", "CPU")
        (seeds / "1" / "model.py").write_text(_source("model.py"), encoding="utf-8")
        for file in (MANIFEST, *bundle.files):
            target = seeds / "1" / "bundle" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((bundle.path / file).read_bytes() if file == MANIFEST else bundle.read(file))

        (folder / "replay.py").write_text(_source("replay.py"), encoding="utf-8")
        (folder / GOLDENS).write_bytes(_npz(_arrays(goldens)))
        gate = GATES["fp32"]
        judged = {"max_step": gate.max_step, "identical": gate.identical}
        about = {"models": names, "model_sha256": bundle.sha256, "max_batch": max_batch, **judged}
        (folder / MARKER).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        (folder / "build_plan.sh").write_text(_build_plan(names, for_graph, max_batch), encoding="utf-8", newline="\n")
        (folder / "build_plan.sh").chmod(0o755)
        (folder / "README.md").write_text(_readme(names), encoding="utf-8")
    return names


def _arrays(goldens: Goldens) -> dict[str, npt.NDArray[Any]]:
    """The goldens by the names of a request's tensors."""
    arrays: dict[str, npt.NDArray[Any]] = {"z": goldens.z, "seed": goldens.seeds, "images": goldens.images}
    return arrays if goldens.label is None else {**arrays, "label": goldens.label}


def _npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _source(name: str) -> str:
    return files("gansample.triton").joinpath(name).read_text(encoding="utf-8")


def _build_plan(names: list[str], inputs: list[Tensor], max_batch: int) -> str:
    """Strongly typed and without TF32, as gansample's own engines: what is float32 in the graph stays float32."""

    def shapes(batch: int) -> str:
        return ",".join(f"{t.name}:{'x'.join(map(str, (batch, *(() if t.scalar else t.dims))))}" for t in inputs)

    return f"""#!/bin/sh
# Run where the plan will run: in the container of the Triton that serves it, on the GPU that it serves on.
set -eu
cd "$(dirname "$0")"
trtexec=$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)
"$trtexec" --onnx=onnx/{names[0]}/1/model.onnx --saveEngine=tensorrt/{names[1]}/1/model.plan \\
  --minShapes={shapes(1)} --optShapes={shapes(min(64, max_batch))} --maxShapes={shapes(max_batch)} \\
  --stronglyTyped --noTF32 --skipInference
"""


def _readme(names: list[str]) -> str:
    onnx, tensorrt, seeds = names
    return f"""# {seeds} for Triton

| repository | model | backend | takes | runs on |
|---|---|---|---|---|
| `onnx/` | `{onnx}` | onnxruntime | `z` (and `label`) | a GPU where Triton sees one, else the CPU |
| `tensorrt/` | `{tensorrt}` | TensorRT, after `./build_plan.sh` | `z` (and `label`) | a GPU |
| `seeds/` | `{seeds}` | python, with `pip install 'gansample[cpu]'` | `seed`, as `gan serve` | the CPU |

```sh
NVIDIA_TF32_OVERRIDE=0 tritonserver --model-repository onnx --model-repository seeds \\
  --disable-auto-complete-config --strict-readiness=true --http-address 127.0.0.1 --grpc-address 127.0.0.1
python replay.py        # PASS, FAIL or NOT RUN for each model and protocol
```

TF32 keeps 10 bits of a product's mantissa, and CUDA uses it for float32 unless it is disabled: it changes the pictures. A
model is ready once it has drawn its first golden. Triton up to 24.10 needs `numpy<2` for its Python backend: with NumPy 2 it
returns no bytes at all, which the replay shows. Triton has no authentication: put a proxy in front of it.
"""
