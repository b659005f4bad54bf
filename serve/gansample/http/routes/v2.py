"""The Open Inference Protocol, version 2, over HTTP: what Triton's, KServe's and others' clients speak.

Inputs are `seed` INT64 (N, 1), or `z` FP32 (N, latent size); either with `label` INT64 (N, 1) for a generator with classes, and
with `psi` FP32 (N, 1) for one with a mapping, which also takes styles `w` FP32 (N, layers, size) in their place. The output is
`images` UINT8 (N, H, W, C). Tensors travel as JSON numbers or, with the binary extension, as raw little-endian bytes after the
JSON header, whose length is in `Inference-Header-Content-Length`.
"""

import asyncio
import json
from typing import Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

import gansample
from gansample.http.errors import ApiError, not_json
from gansample.http.infer_inputs import check_tensors, read_tensors
from gansample.http.known_parameters import check_query
from gansample.http.memory import JSON_TENSOR, RAW_TENSOR, room_for
from gansample.http.models import Model, Models
from gansample.http.settings import Settings
from gansample.system.numbers import MAX_DIGITS, whole_number
from gansample.types import Images

LENGTH = "Inference-Header-Content-Length"
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
        given = check_tensors(model.spec, read_tensors(header, raw), settings)
        binary, request_id = _wants_binary(header), header.get("id")
        del header, raw  # an inventive client's is much larger than its tensors, and drawing takes a while
        values = len(given) * model.spec.height * model.spec.width * model.spec.channels
        async with room_for(request, values * (RAW_TENSOR if binary else JSON_TENSOR), settings.deadline):
            rows, label = await asyncio.to_thread(given.rows, model.mapping) if model.mapping else given.rows(None)
            images = await model.inference_engine.infer(rows, label)
        request.scope["pictures"] = len(images)
        return await asyncio.to_thread(_response, model, request_id, images, binary)

    return routes


def _metadata(model: Model) -> dict[str, Any]:
    spec = model.spec
    label = [{"name": "label", "datatype": "INT64", "shape": [-1, 1]}] if spec.classes is not None else []
    styles: list[dict[str, Any]] = []
    if spec.mapping is not None:
        name, shape = spec.graph_input
        styles = [
            {"name": "psi", "datatype": "FP32", "shape": [-1, 1]},
            {"name": name, "datatype": "FP32", "shape": [-1, *shape]},
        ]
    return {
        "name": model.name,
        "versions": [model.bundle.sha256[:12]],
        "platform": f"gansample_{model.engine.variant}",
        "inputs": [
            {"name": "seed", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "z", "datatype": "FP32", "shape": [-1, spec.latent_size]},
            *label,
            *styles,
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
