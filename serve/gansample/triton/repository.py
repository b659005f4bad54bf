"""The folder that `gan export-triton` writes.

    OUT/
    ├── onnx/<name>_onnx/           a model repository for the onnxruntime backend: config.pbtxt, warmup/, 1/model.onnx
    ├── onnx/<name>_mapping/        the same of mapping.onnx, where there is one: the others then take its styles
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
from gansample.bundle.spec import Spec
from gansample.bundle.style_mapping import MAPPING
from gansample.errors import ArtefactError
from gansample.runtimes.styles import open_mapping
from gansample.sampling.verify import check_digests
from gansample.system.atomic import folder_atomic
from gansample.system.replaceable import check_replaceable
from gansample.triton.config import WARMUP, Tensor, config_pbtxt, graph_inputs, graph_output, mapping_inputs, seed_inputs

MARKER = "replay.json"  # a folder that has one may be replaced
MAX_BATCH = 64  # the batch that bundles' speeds are measured at; larger ones make DCGANs no faster


def export_triton(bundle: Bundle, out: Path, *, force: bool = False, max_batch: int = MAX_BATCH) -> list[str]:
    """Write the folder `out` and return the names of the three models in it.

    Raises ArtefactError for a damaged bundle or one without goldens, OutputError where `out` may not be replaced or written.
    """
    check_replaceable(out, kind="folder of model repositories", marker=MARKER, force=force)
    if not bundle.path.is_dir():
        raise ArtefactError(f"{bundle.path} is one file, and its goldens are missing", "pass the whole bundle folder")
    check_digests(bundle)
    check_onnx(bundle.read(REFERENCE), str(bundle.path))
    goldens = read_goldens(bundle)
    name, spec = bundle.path.resolve().name, bundle.spec
    names = [f"{name}_onnx", f"{name}_tensorrt", name]
    for_graph, for_seeds = graph_inputs(spec), seed_inputs(spec)

    arrays, images = _arrays(bundle, goldens), graph_output(spec)

    def write_model(model: Path, inputs: list[Tensor], backend: str, kind: str, output: Tensor) -> None:
        """A model's folder with its version, its configuration and its warm-up inputs: the first golden, as raw bytes."""
        (model / "1").mkdir(parents=True)
        (model / WARMUP).mkdir()
        for tensor in inputs:
            (model / WARMUP / tensor.name).write_bytes(arrays[tensor.name][:1].tobytes())
        text = config_pbtxt(model.name, inputs, output, backend=backend, kind=kind, max_batch=max_batch)
        (model / "config.pbtxt").write_text(text, encoding="utf-8")

    with folder_atomic(out) as folder:
        onnx, tensorrt, seeds = folder / "onnx" / names[0], folder / "tensorrt" / names[1], folder / "seeds" / names[2]
        write_model(onnx, for_graph, "onnxruntime", "AUTO", images)
        (onnx / "1" / "model.onnx").write_bytes(bundle.read(REFERENCE))
        if spec.mapping is not None:
            mapping = folder / "onnx" / f"{name}_mapping"
            styles = Tensor("w", "FP32", spec.graph_input[1])
            write_model(mapping, mapping_inputs(spec), "onnxruntime", "CPU", styles)
            (mapping / "1" / "model.onnx").write_bytes(bundle.read(MAPPING))
        write_model(tensorrt, for_graph, "tensorrt", "GPU", images)
        write_model(seeds, for_seeds, "python", "CPU", images)
        (seeds / "1" / "model.py").write_text(_source("model.py"), encoding="utf-8")
        for file in (MANIFEST, *bundle.files):
            target = seeds / "1" / "bundle" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((bundle.path / file).read_bytes() if file == MANIFEST else bundle.read(file))

        (folder / "replay.py").write_text(_source("replay.py"), encoding="utf-8")
        (folder / GOLDENS).write_bytes(_npz(arrays))
        gate = GATES["fp32"]
        judged = {"max_step": gate.max_step, "identical": gate.identical}
        about = {"models": names, "model_sha256": bundle.sha256, "max_batch": max_batch, **judged}
        (folder / MARKER).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        (folder / "build_plan.sh").write_text(_build_plan(names, for_graph, max_batch), encoding="utf-8", newline="\n")
        (folder / "build_plan.sh").chmod(0o755)
        (folder / "README.md").write_text(_readme(names, spec), encoding="utf-8")
    return names


def _arrays(bundle: Bundle, goldens: Goldens) -> dict[str, npt.NDArray[Any]]:
    """The goldens by the names of a request's tensors."""
    arrays: dict[str, npt.NDArray[Any]] = {"z": goldens.z, "seed": goldens.seeds, "images": goldens.images}
    if goldens.label is not None:
        arrays["label"] = goldens.label
    if goldens.psi is not None:
        arrays |= {"psi": goldens.psi, "w": open_mapping(bundle).styles(goldens.z, goldens.label, goldens.psi)}
    return arrays


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


def _readme(names: list[str], spec: Spec) -> str:
    onnx, tensorrt, seeds = names
    mapping, takes, asked = "", "`z` (and `label`)", "`seed`, as `gan serve`"
    if spec.mapping is not None:
        mapping = f"| `onnx/` | `{seeds}_mapping` | onnxruntime | `z`, `psi` (and `label`); gives `w` | the CPU |\n"
        takes, asked = f"`w`, the styles that `{seeds}_mapping` gives", "`seed`, `psi`, as `gan serve`"
    return f"""# {seeds} for Triton

| repository | model | backend | takes | runs on |
|---|---|---|---|---|
{mapping}| `onnx/` | `{onnx}` | onnxruntime | {takes} | a GPU where Triton sees one, else the CPU |
| `tensorrt/` | `{tensorrt}` | TensorRT, after `./build_plan.sh` | {takes} | a GPU |
| `seeds/` | `{seeds}` | python, with `pip install 'gansample[cpu]'` | {asked} | the CPU |

```sh
NVIDIA_TF32_OVERRIDE=0 tritonserver --model-repository onnx --model-repository seeds \\
  --disable-auto-complete-config --strict-readiness=true --http-address 127.0.0.1 --grpc-address 127.0.0.1
python replay.py        # PASS, FAIL or NOT RUN for each model and protocol
```

TF32 keeps 10 bits of a product's mantissa, and CUDA uses it for float32 unless it is disabled: it changes the pictures. A
model is ready once it has drawn its first golden. Triton up to 24.10 needs `numpy<2` for its Python backend: with NumPy 2 it
returns no bytes at all, which the replay shows. Triton has no authentication: put a proxy in front of it.
"""
