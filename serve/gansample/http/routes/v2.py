"""The Open Inference Protocol, version 2, over HTTP: what Triton's, KServe's and others' clients speak.

Inputs are `seed` INT64 (N, 1), or `z` FP32 (N, latent size); either with `label` INT64 (N, 1) for a generator with classes. The
output is `images` UINT8 (N, H, W, C). Tensors travel as JSON numbers or, with the binary extension, as raw little-endian bytes
after the JSON header, whose length is in `Inference-Header-Content-Length`.
"""

import asyncio
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

import gansample
from gansample.http.draw_request import check_size
from gansample.http.errors import ApiError, not_json
from gansample.http.known_parameters import check_query
from gansample.http.memory import JSON_TENSOR, RAW_TENSOR, room_for
from gansample.http.models import Model, Models
from gansample.http.settings import Settings
from gansample.latents import SEED_END, without_unit_axes
from gansample.system.numbers import MAX_DIGITS, whole_number
from gansample.types import Images, Labels, Latents

LENGTH = "Inference-Header-Content-Length"
_TYPES: dict[str, npt.DTypeLike] = {"FP32": "<f4", "INT64": "<i8"}
REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "inputs": {"type": "array", "items": {"type": "object"}, "description": "`seed`, or `z` and `label`."},
                    "id": {"type": "string", "description": "Comes back with the response."},
                    "parameters": {"type": "object", "description": "`binary_data_output`: the pictures as raw bytes."},
                },
            },
            "example": {"inputs": [{"name": "seed", "datatype": "INT64", "shape": [1, 1], "data": [42]}]},
        }
    },
}
"""For the schema: the body is parsed here, since what follows the JSON may be raw tensors."""


def router(models: Models, settings: Settings) -> APIRouter:
    routes = APIRouter(prefix="/v2", tags=["open inference protocol"])

    @routes.get("")
    async def server() -> dict[str, Any]:
        return {"name": "gansample", "version": gansample.__version__, "extensions": ["binary_tensor_data"]}

    @routes.get("/health/live", response_class=Response)
    async def live() -> Response:
        return Response()

    @routes.get("/health/ready", response_class=Response)
    async def ready() -> Response:
        return Response(status_code=200 if models.ready else 503)

    @routes.get("/models/{name}", dependencies=[Depends(check_query)])
    async def metadata(name: str) -> dict[str, Any]:
        return _metadata(models.get(name))

    @routes.get("/models/{name}/ready", response_class=Response)
    async def model_ready(name: str) -> Response:
        return Response(status_code=200 if models.get(name).inference_engine.alive else 503)

    @routes.post("/models/{name}/infer", openapi_extra={"requestBody": REQUEST}, dependencies=[Depends(check_query)])
    async def infer(name: str, request: Request) -> Response:
        """Pictures for seeds or latents; request and response as the protocol defines them."""
        model = models.get(name)
        header, raw = _split(await request.body(), request.headers.get(LENGTH))
        _check_outputs(header)
        z, label = _checked(model, _inputs(header, raw), settings)
        binary, request_id = _wants_binary(header), header.get("id")
        del header, raw  # an inventive client's is much larger than its tensors, and drawing takes a while
        values = len(z) * model.spec.height * model.spec.width * model.spec.channels
        async with room_for(request, values * (RAW_TENSOR if binary else JSON_TENSOR), settings.deadline):
            images = await model.inference_engine.infer(z, label)
        request.scope["pictures"] = len(images)
        return await asyncio.to_thread(_response, model, request_id, images, binary)

    return routes


def _metadata(model: Model) -> dict[str, Any]:
    spec = model.spec
    label = [{"name": "label", "datatype": "INT64", "shape": [-1, 1]}] if spec.classes is not None else []
    return {
        "name": model.name,
        "versions": [model.bundle.sha256[:12]],
        "platform": f"gansample_{model.engine.variant}",
        "inputs": [
            {"name": "seed", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "z", "datatype": "FP32", "shape": [-1, spec.latent_size]},
            *label,
        ],
        "outputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, spec.height, spec.width, spec.channels]}],
    }


def _split(body: bytes, length: str | None) -> tuple[dict[str, Any], bytes]:
    """The JSON header and what follows it. Raises ApiError 400."""
    end: int | None = len(body)
    if length is not None:
        end = whole_number(length) if len(length) <= MAX_DIGITS else None
    if end is None or end > len(body):
        raise ApiError(400, f"{LENGTH} is {length}, and the body has {len(body):,} bytes", param=LENGTH)
    try:
        header = json.loads(body[:end])
    except (ValueError, RecursionError):
        raise not_json() from None
    if not isinstance(header, dict) or not isinstance(header.get("inputs"), list):
        raise ApiError(422, "the request has no list of inputs", param="inputs")
    return header, body[end:]


def _check_outputs(header: dict[str, Any]) -> None:
    """Raises ApiError 422 where the request asks for a tensor that there is not."""
    outputs = header.setdefault("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise ApiError(422, "outputs is no list of tensors", param="outputs")
    if unknown := [output.get("name") for output in outputs if output.get("name") != "images"]:
        raise ApiError(422, f"there is no output {unknown[0]!r}: ask for images, or leave outputs out", param="outputs")


def _inputs(header: dict[str, Any], raw: bytes) -> dict[str, npt.NDArray[Any]]:
    """Each input by name. Raises ApiError 422 for what is not as it says."""
    found: dict[str, npt.NDArray[Any]] = {}
    start = 0
    for tensor in header["inputs"]:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise ApiError(422, "an input has no name", param="inputs")
        name, kind, shape = tensor["name"], tensor.get("datatype"), tensor.get("shape")
        if name in found:
            raise ApiError(422, f"{name} is there twice", param=name)
        if not isinstance(kind, str) or kind not in _TYPES:
            raise ApiError(422, f"{name} has datatype {kind}: FP32 or INT64", param=name)
        if not isinstance(shape, list) or not 1 <= len(shape) <= 4 or not all(type(size) is int and size > 0 for size in shape):
            raise ApiError(422, f"{name} has shape {shape}", param=name)
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is not None:
            if type(size) is not int or not 0 <= size <= len(raw) - start:
                raise ApiError(422, f"{name} says {size} bytes, and {len(raw) - start} are left", param=name)
            data, start = raw[start : start + size], start + size
            values: Any = np.frombuffer(data[: size - size % np.dtype(_TYPES[kind]).itemsize], _TYPES[kind])
        else:
            values = _from_json(name, kind, tensor.get("data"))
        if values.size != math.prod(shape):
            raise ApiError(422, f"{name} has {values.size} values, and shape {shape}", param=name)
        found[name] = values.reshape(shape)
    return found


def _from_json(name: str, kind: str, data: Any) -> npt.NDArray[Any]:
    try:
        values = np.asarray(data).ravel()
        if values.dtype.kind not in ("iu" if kind == "INT64" else "iuf"):  # text, null, true, or no rectangle of numbers
            raise ValueError
        with np.errstate(over="ignore"):  # what is too large for FP32 becomes infinite, which is refused
            return values.astype(_TYPES[kind])
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ApiError(422, f"{name} does not hold {kind} numbers", param=name) from None


def _checked(model: Model, inputs: dict[str, npt.NDArray[Any]], settings: Settings) -> tuple[Latents, Labels | None]:
    spec = model.spec
    if ("z" in inputs) == ("seed" in inputs):
        raise ApiError(422, "give either seed or z", param="inputs")
    if unknown := sorted(inputs.keys() - {"z", "seed", "label"}):
        raise ApiError(422, f"there is no input {unknown[0]}", param=unknown[0])
    given = inputs.get("z", inputs.get("seed"))
    assert given is not None
    n = len(given)
    check_size(n, spec, settings, param="inputs")
    classes = len(spec.classes) if spec.classes is not None else None
    label: Labels | None = None
    if "label" in inputs:
        label = inputs["label"].reshape(-1).astype(np.int64)
        if classes is None or len(label) != n or not ((label >= 0) & (label < classes)).all():
            raise ApiError(422, f"label does not fit: {n} of 0..{(classes or 0) - 1}", param="label")
    if "seed" in inputs:
        seeds = inputs["seed"].reshape(-1)
        if len(seeds) != n or given.dtype.kind != "i" or not ((seeds >= 0) & (seeds < SEED_END)).all():
            raise ApiError(422, f"seed is INT64 (N, 1), each in 0..{SEED_END - 1}", param="seed")
        z = spec.latents([int(seed) for seed in seeds])
        return z, label if label is not None or classes is None else (seeds % classes).astype(np.int64)
    given = without_unit_axes(given)
    if given.ndim != 2 or given.shape[1] != spec.latent_size or given.dtype.kind != "f" or not np.isfinite(given).all():
        raise ApiError(422, f"z is FP32 (N, {spec.latent_size}), every component finite", param="z")
    if classes is not None and label is None:
        raise ApiError(422, "z of a generator with classes needs label", param="label")
    return np.ascontiguousarray(given, np.float32), label


def _response(model: Model, request_id: object, images: Images, binary: bool) -> Response:
    output: dict[str, Any] = {"name": "images", "datatype": "UINT8", "shape": list(images.shape)}
    about: dict[str, Any] = {"model_name": model.name, "model_version": model.bundle.sha256[:12]}
    if isinstance(request_id, str):
        about["id"] = request_id
    if not binary:
        head = json.dumps({**about, "outputs": [{**output, "data": []}]}).removesuffix("]}]}")
        # One picture after the other: the whole as Python's numbers would take 18 bytes a value, and everybody's time.
        data = b",".join(json.dumps(image.ravel().tolist(), separators=(",", ":"))[1:-1].encode() for image in images)
        return Response(b"".join((head.encode(), data, b"]}]}")), media_type="application/json")
    output["parameters"] = {"binary_data_size": images.size}
    header = json.dumps({**about, "outputs": [output]}).encode()
    return Response(
        b"".join((header, np.ascontiguousarray(images).data)),
        media_type="application/octet-stream",
        headers={LENGTH: str(len(header))},
    )


def _wants_binary(header: dict[str, Any]) -> bool:
    def says(holder: dict[str, Any], name: str) -> bool:
        parameters = holder.get("parameters")
        return isinstance(parameters, dict) and parameters.get(name) is True

    return says(header, "binary_data_output") or any(says(output, "binary_data") for output in header["outputs"])
