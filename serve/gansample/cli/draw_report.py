"""What a call of `gansample` reports."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DrawReport:
    """What was drawn, by which engine and why that one, and how long it took."""

    out: str
    format: str
    n: int
    drawn: int
    """Fewer than `n` where a resumed job had some already."""
    bundle: str
    model: str
    model_sha256: str
    backend: str
    variant: str
    why: str
    seconds: dict[str, float]
    device: str | None = None
    notes: tuple[str, ...] = ()
    """What the user may not expect of these pictures."""
    workers: int | None = None
    """Of a Ray cluster."""

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def summary(self) -> str:
        """One line for a person."""
        noun = "picture" if self.n == 1 else "pictures"
        present = f", {self.n - self.drawn:,} were there" if self.drawn < self.n else ""
        seconds = sum(self.seconds.values())
        engine = f"{self.variant} on {self.backend}"
        return f"{self.n:,} {noun} of {self.model} in {self.out} ({engine}, {seconds:.2f} s{present}; {self.why})"
