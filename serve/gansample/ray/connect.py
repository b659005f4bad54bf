"""Connect to the Ray cluster that RAY_ADDRESS names, or start one on this machine.

Ray runs whatever it is sent. So token authentication is always on (Ray's own default is off): a cluster that is started here
has a random token, and its dashboard listens on loopback.
"""

import logging
import os
import secrets
import signal
import threading
from typing import Any

from gansample.errors import BackendUnavailable
from gansample.system.telemetry import disable_telemetry

LOOPBACK = "127.0.0.1"
OBJECT_STORE = 256 << 20  # bytes of shared memory for messages between processes: latents and pictures are small


def connect(cpus: int | None = None) -> Any:
    """The ray module, connected to a cluster. cpus: the number declared for this machine, if a cluster is started.

    Raises BackendUnavailable if Ray is not installed, or no cluster answers at RAY_ADDRESS, or it requires another token.
    """
    disable_telemetry()
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray says at every start that it will change
    address = os.environ.get("RAY_ADDRESS")
    if not address and "RAY_AUTH_TOKEN" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BackendUnavailable(f"{error.name} is not installed", "pip install 'gansample[ray]'") from None
    if ray.is_initialized():
        return ray
    logging.getLogger("ray").setLevel(logging.ERROR)
    ours = signal.getsignal(signal.SIGTERM)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address, **quiet)
        else:
            here = {"object_store_memory": OBJECT_STORE, "include_dashboard": True, "dashboard_host": LOOPBACK}
            ray.init("local", num_cpus=cpus, **here, **quiet)
    except Exception as error:  # Ray raises RuntimeError, ConnectionError, ValueError and its own for one and the same
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        hint = "check RAY_ADDRESS and RAY_AUTH_TOKEN" if address else "see Ray's log under /tmp/ray/session_latest/logs"
        raise BackendUnavailable(f"Ray does not start ({reason})", hint) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)  # Ray's own handler exits with status 15 at once, before requests are answered
    return ray


def is_external_cluster() -> bool:
    """Whether the cluster was not started by this process, and outlives it."""
    return bool(os.environ.get("RAY_ADDRESS"))
