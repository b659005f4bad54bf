"""The whole service as an ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import gansample
from gansample.http import errors
from gansample.http.browser import cors_options
from gansample.http.guard import Guard
from gansample.http.metrics import Metrics
from gansample.http.models import Models
from gansample.http.routes import generations, health, images, pages, v2
from gansample.http.settings import Settings

ABOUT = "Pictures from exported GAN generators. A seed is a picture: the same bytes for the same seed, model and class, always."


def create_app(models: Models, settings: Settings) -> FastAPI:
    """The app closes `models` after the last accepted request was answered."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watcher = asyncio.create_task(models.watch())
        yield
        watcher.cancel()
        await asyncio.to_thread(models.close)

    app = FastAPI(
        title="gansample",
        version=gansample.__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load their scripts from a content delivery network
        redoc_url=None,
    )
    metrics = Metrics()
    errors.install_handlers(app)
    app.include_router(images.router(models, settings))
    app.include_router(generations.router(models, settings))
    app.include_router(health.router(models, metrics))
    app.include_router(v2.router(models, settings))
    app.include_router(pages.router(settings))
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    if settings.allow_origins:  # outside of the guard: a page must be able to read its refusals too
        app.add_middleware(CORSMiddleware, **cors_options(settings.allow_origins))
    return app
