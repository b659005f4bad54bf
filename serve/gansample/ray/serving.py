"""From a bundle to replicas that draw it: the Opener of `gan serve --ray`.

Each model is a Ray Serve application of its own, named by its digest: fashion-ec5c300309c1. A newer export is another
application beside the older, proven by every replica before it draws, and then the older one goes. So no request ever gets
one model's pictures under another's name, which replacing replica by replica could not promise.
"""

import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable
from gansample.http.models import Model
from gansample.http.settings import Settings
from gansample.ray.connect import joined
from gansample.ray.drawer import RayDrawer
from gansample.ray.engine import PATIENCE, choose_engine, place_of
from gansample.ray.replica import Replica

BATCH_SECONDS = 0.05  # a batch takes about so long: whoever comes a moment later waits no longer than that
MAX_BATCH = 256
MESSAGES = 4  # messages that fill a batch: Ray counts messages and not pictures, so one must not hold very many
QUEUE = 2 * MESSAGES  # messages for each replica, drawn or waiting; more of them bring another replica
UPSCALE_SECONDS, DOWNSCALE_SECONDS = 3.0, 60.0
RETIRED = 30.0  # seconds that an older application goes on for other services on the same cluster


def batch_size(variant: Variant) -> int:
    """Pictures in a batch, from the speed that the exporter measured; 64 where it did not."""
    rate = variant.speed.get("images_per_second", {}).get("64")
    return max(1, min(MAX_BATCH, int(rate * BATCH_SECONDS))) if rate else 64


class Cluster:
    """Ray Serve with its HTTP server off: the service's own, with its limits and manners, is the only door."""

    def __init__(self, ray: Any, replicas: range) -> None:
        from ray import serve

        self._ray, self._serve, self._replicas = ray, serve, replicas
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})

    def open(self, name: str, path: Path, settings: Settings) -> Model:
        """The Opener. Raises ArtefactError, BackendUnavailable or ParityError; what serves until now serves on."""
        bundle = open_bundle(path)
        threads = settings.threads or 1
        place = place_of(settings.backend, threads)
        wishes = {"backend": settings.backend, "threads": threads, "precision": settings.precision}
        engine = choose_engine(self._ray, bundle, place, wishes)
        wishes = {"backend": settings.backend, "threads": threads, "variant": engine.variant}
        batch = min(batch_size(bundle.variant(engine.variant)), settings.max_waiting)
        deployment = self._serve.deployment(
            Replica,
            name="replica",
            ray_actor_options=place,
            max_ongoing_requests=4 * batch,
            max_queued_requests=settings.max_waiting,
            autoscaling_config={
                "min_replicas": self._replicas.start,
                "initial_replicas": self._replicas.start,
                "max_replicas": self._replicas.stop - 1,
                "target_ongoing_requests": QUEUE,
                "upscale_delay_s": UPSCALE_SECONDS,
                "downscale_delay_s": DOWNSCALE_SECONDS,
            },
            health_check_period_s=2,
            health_check_timeout_s=10,
            graceful_shutdown_timeout_s=settings.deadline,
        )
        application = f"{name}-{bundle.sha256[:12]}"
        bound = deployment.bind(str(bundle.path.resolve()), bundle.sha256, wishes, batch)
        target = self._serve.RunTarget(bound, name=application, route_prefix=None)
        (handle,) = self._serve.run_many([target], wait_for_applications_running=False)
        self._wait(application)
        drawer = RayDrawer(
            handle,
            message=max(1, batch // MESSAGES),
            max_waiting=settings.max_waiting,
            deadline=settings.deadline,
            healthy=lambda: self._healthy(application),
        )
        close = _Closing(self._serve, application, drawer)
        return Model(name=name, bundle=bundle, engine=engine, drawer=drawer, close=close)

    def _wait(self, application: str) -> None:
        """Until it draws. Raises BackendUnavailable, and takes it down again, where it does not come to that."""
        end = time.monotonic() + PATIENCE
        while (status := self._serve.status().applications[application]).status != "RUNNING":
            late = time.monotonic() > end
            if late or status.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                self._serve.delete(application)
                reason = " ".join(status.message.split())[:500] or f"{status.status.lower()} for {PATIENCE:.0f} s"
                hint = "is there room for it? see: ray status" if late else "see Ray Serve's log on that machine"
                raise BackendUnavailable(f"{application} does not start on the cluster ({reason})", hint)
            time.sleep(0.2)

    def _healthy(self, application: str) -> bool:
        """Whether anything draws: with one replica lost, the others do."""
        status = self._serve.status().applications.get(application)
        return status is not None and any(
            deployment.replica_states.get("RUNNING", 0) for deployment in status.deployments.values()
        )


class _Closing:
    """Answers what was accepted; then the application goes, unless other services on the cluster may still use it."""

    def __init__(self, serve: Any, application: str, drawer: RayDrawer) -> None:
        self._serve, self._application, self._drawer = serve, application, drawer

    def __call__(self) -> None:
        self._drawer.close()
        if joined():
            later = threading.Timer(RETIRED, self._delete)
            later.daemon = True  # a service that ends leaves it to the others
            later.start()
        else:
            self._delete()

    def _delete(self) -> None:
        try:
            self._serve.delete(self._application, _blocking=False)
        except Exception as error:  # the cluster went first
            print(f"serve: {self._application} could not be taken down ({type(error).__name__})", file=sys.stderr)
