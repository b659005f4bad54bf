"""From a bundle to the replicas that draw it: the ModelLoader of `gan serve --ray`.

Each model is a Ray Serve application of its own, named by its digest: fashion-ec5c300309c1. A newer export is another
application, verified by every replica before it draws; then the older one is deleted. So no response ever has one model's
pictures under another's name, which a rolling update could not promise.
"""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable
from gansample.http.models import Model
from gansample.http.settings import Settings
from gansample.ray.connect import is_external_cluster
from gansample.ray.engine import START_TIMEOUT, actor_resources, choose_engine, worker_options
from gansample.ray.inference_engine import RayInferenceEngine
from gansample.ray.replica import Replica
from gansample.runtimes.styles import open_mapping

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.05  # a batch takes about this long, so a request waits no longer before its own batch
MAX_BATCH = 256
MESSAGES = 4  # that fill a batch: Ray counts messages, not pictures, so one must not hold very many
TARGET_MESSAGES = 2 * MESSAGES  # in flight for each replica; more of them start another replica
UPSCALE_SECONDS, DOWNSCALE_SECONDS = 3.0, 60.0
RETIRE_DELAY = 30.0  # seconds that an older application stays for other services on the same cluster


def batch_size(variant: Variant) -> int:
    """Pictures in a batch, from the speed that the exporter measured; 64 where it did not."""
    rate = variant.images_per_second
    return max(1, min(MAX_BATCH, int(rate * BATCH_SECONDS))) if rate else 64


class Cluster:
    """Ray Serve without its HTTP proxy: clients reach it only through the service's own HTTP server, with its limits."""

    def __init__(self, ray: Any, replicas: range) -> None:
        from ray import serve

        self._ray, self._serve, self._replicas = ray, serve, replicas
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})

    def load(self, name: str, path: Path, settings: Settings) -> Model:
        """A ModelLoader. Raises ArtefactError, BackendUnavailable or ParityError; an older application keeps serving."""
        bundle = open_bundle(path)
        options = worker_options(settings.engine, bundle)
        engine = choose_engine(self._ray, bundle.sha256, options)
        by_openvino = engine.backend == "openvino-cpu"
        mapping = open_mapping(bundle, by_openvino=by_openvino).at_psi if bundle.spec.mapping is not None else None
        batch = min(batch_size(bundle.variant(engine.variant)), settings.max_waiting)
        deployment = self._serve.deployment(
            Replica,
            name="replica",
            ray_actor_options=actor_resources(options),
            max_ongoing_requests=4 * batch,
            max_queued_requests=settings.max_waiting,
            autoscaling_config={
                "min_replicas": self._replicas.start,
                "initial_replicas": self._replicas.start,
                "max_replicas": self._replicas.stop - 1,
                "target_ongoing_requests": TARGET_MESSAGES,
                "upscale_delay_s": UPSCALE_SECONDS,
                "downscale_delay_s": DOWNSCALE_SECONDS,
            },
            health_check_period_s=2,
            health_check_timeout_s=10,
            graceful_shutdown_timeout_s=settings.deadline,
        )
        application = f"{name}-{bundle.sha256[:12]}"
        bound = deployment.bind(options, bundle.sha256, engine.variant, batch)
        target = self._serve.RunTarget(bound, name=application, route_prefix=None)
        (handle,) = self._serve.run_many([target], wait_for_applications_running=False)
        self._wait_until_running(application)
        inference_engine = RayInferenceEngine(
            handle,
            message=max(1, batch // MESSAGES),
            max_waiting=settings.max_waiting,
            deadline=settings.deadline,
            healthy=lambda: self._healthy(application),
        )
        close = _Close(self._serve, application, inference_engine)
        return Model(name=name, bundle=bundle, engine=engine, inference_engine=inference_engine, mapping=mapping, close=close)

    def _wait_until_running(self, application: str) -> None:
        """Raises BackendUnavailable, and deletes the application, if it does not start."""
        end = time.monotonic() + START_TIMEOUT
        while (status := self._serve.status().applications[application]).status != "RUNNING":
            late = time.monotonic() > end
            if late or status.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                self._serve.delete(application)
                reason = " ".join(status.message.split())[:500] or f"{status.status.lower()} for {START_TIMEOUT:.0f} s"
                hint = "are there enough resources? see: ray status" if late else "see Ray Serve's log on that machine"
                raise BackendUnavailable(f"{application} does not start on the cluster ({reason})", hint)
            time.sleep(0.2)

    def _healthy(self, application: str) -> bool:
        """Whether at least one replica runs."""
        status = self._serve.status().applications.get(application)
        return status is not None and any(
            deployment.replica_states.get("RUNNING", 0) for deployment in status.deployments.values()
        )


class _Close:
    """Finishes the accepted requests and deletes the application (later on an external cluster, for other services)."""

    def __init__(self, serve: Any, application: str, inference_engine: RayInferenceEngine) -> None:
        self._serve, self._application, self._inference_engine = serve, application, inference_engine

    def __call__(self) -> None:
        self._inference_engine.close()
        if is_external_cluster():
            later = threading.Timer(RETIRE_DELAY, self._delete)
            later.daemon = True  # a service that ends leaves it to the other services
            later.start()
        else:
            self._delete()

    def _delete(self) -> None:
        try:
            self._serve.delete(self._application, _blocking=False)
        except Exception as error:  # the cluster is gone already
            logger.warning("%s could not be deleted (%s)", self._application, type(error).__name__)
