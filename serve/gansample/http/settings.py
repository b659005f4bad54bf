"""Options of the service. A request over a limit is refused, with the limit and its value in the error."""

from dataclasses import dataclass

from gansample.sampling.options import EngineOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    engine: EngineOptions = EngineOptions()
    """Of every model; `engine.bundle` is not used."""
    max_waiting: int = 2048
    """Pictures in the queue; further requests are refused with 429."""
    deadline: float = 30.0
    """Seconds from a request's arrival to its pictures, else 504."""

    max_pictures: int = 256
    """In one request."""
    max_pixels: int = 1 << 24
    """In one request, all pictures together, or the sheet that they are on."""
    max_memory: int = 256 << 20
    """Bytes that responses may take from drawing to sending, over all requests (`memory.py`). Those that find no room wait."""
    max_body: int = 1 << 20
    """Bytes."""
    max_bodies: int = 64 << 20
    """Bytes of the bodies of all requests; further ones are refused with 429."""
    read_seconds: float = 10.0
    """For a request's headers, and again for its body: slower clients are disconnected."""
    write_seconds: float = 30.0
    """For each 256 KiB of a response: clients that read more slowly are disconnected."""
    max_head: int = 1 << 16
    """Bytes of a request's address and headers."""
    per_client: int = 64
    """Requests of one address at the same time."""
    in_total: int = 512
    """Requests at the same time."""

    token: str | None = None
    """What `Authorization: Bearer …` must say; None asks for nothing."""
    allow_origins: tuple[str, ...] = ()
    """Origins whose pages may call the service from a browser; `*` is all of them."""
    root_path: str = ""
    """The path under which a proxy shows the service, such as /gan."""
    reload_seconds: float = 2.0
    """How often the bundles' folders are looked at for a newer export."""
