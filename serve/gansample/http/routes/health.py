"""Liveness, readiness, the list of models, metrics."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gansample.http.errors import ApiError
from gansample.http.known_parameters import check_query
from gansample.http.metrics import Metrics
from gansample.http.models import Model, Models


def router(models: Models, metrics: Metrics) -> APIRouter:
    routes = APIRouter()

    @routes.get("/livez", tags=["health"])
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @routes.get("/readyz", tags=["health"])
    async def ready() -> dict[str, str]:
        """Every model is verified, and its engine runs."""
        if not models.ready:
            raise ApiError(503, "an engine has stopped, or the service is shutting down", headers={"Retry-After": "1"})
        return {"status": "ready"}

    @routes.get("/v1/models", tags=["models"], dependencies=[Depends(check_query)])
    async def listed() -> dict[str, Any]:
        """All models; the first one is the default."""
        return {"object": "list", "data": [describe_model(model) for model in models]}

    @routes.get("/v1/models/{name}", tags=["models"], dependencies=[Depends(check_query)])
    async def one(name: str) -> dict[str, Any]:
        return describe_model(models.get(name))

    @routes.get("/metrics", tags=["health"], response_class=Response)
    async def measured() -> Response:
        """For Prometheus."""
        return metrics.render(models)

    return routes


def describe_model(model: Model) -> dict[str, Any]:
    spec = model.spec
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "gansample",
        "image": {"height": spec.height, "width": spec.width, "channels": spec.channels},
        "classes": list(spec.classes) if spec.classes is not None else None,
        "latent": {"size": spec.latent_size, "distribution": spec.distribution},
        **({"mapping": {"layers": spec.mapping.layers, "size": spec.mapping.size}} if spec.mapping is not None else {}),
        "sha256": model.bundle.sha256,
        "engine": {name: value for name, value in asdict(model.engine).items() if value is not None},
        "basis": spec.basis.to_dict() if spec.basis is not None else None,
    }
