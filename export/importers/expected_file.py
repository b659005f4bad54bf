"""The author's own answer as a file: latents, labels and the pictures that the network drew for them where it was trained."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.bundle.spec import Distribution, ValueRange
from gansample.errors import ArtefactError, UsageError

NAMES = {"z": ("z", "ref_z", "latents"), "out": ("out", "ref_out", "images"), "label": ("label", "ref_label", "labels")}
INSIDE = 1e-6  # chance below which components that all lie in −1..1 are no normal ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The content of the file.

    z float32 (N, nz); label int64 (N,) or None; out uint8 pictures, or floats as the network gives them.
    """

    z: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64] | None
    out: npt.NDArray[Any]
    source: str

    @property
    def distribution(self) -> Distribution | None:
        """What the latents were drawn from, where they decide it."""
        if np.abs(self.z).max() > 1:
            return "normal"
        return "uniform" if 0.6827**self.z.size < INSIDE and np.abs(self.z).max() > 0.9 else None

    @property
    def value_range(self) -> ValueRange | None:
        """Which last activation gives such pictures, where it is tanh or sigmoid; None for 8 bits or other values."""
        low, high = float(self.out.min()), float(self.out.max())
        if self.out.dtype.kind != "f" or max(-low, high) > 1:
            return None
        return "tanh" if low < 0 else "sigmoid"


def read_expected(path: Path) -> Expected:
    """`ref.npz`, or a folder with z.npy, out.npy and, where there are classes, label.npy.

    Raises ArtefactError where it is missing or damaged, UsageError where it holds something else.
    """
    arrays = _arrays(path)
    found = {key: next((arrays[name] for name in names if name in arrays), None) for key, names in NAMES.items()}
    z, out, label = found["z"], found["out"], found["label"]
    if z is None or out is None:
        raise UsageError(f"--expect {path} holds {', '.join(arrays) or 'nothing'}", "it takes z and out, and label for classes")
    if not len(z) or len(out) != len(z) or (label is not None and len(label) != len(z)):
        raise UsageError(f"--expect {path}: {len(z)} latents and {len(out)} pictures", "one picture for each latent")
    if z.dtype.kind != "f" or (out.dtype.kind != "f" and out.dtype != np.uint8):
        raise UsageError(f"--expect {path}: z is {z.dtype}, out is {out.dtype}", "z is float, out float or uint8")
    if not np.isfinite(z).all() or not np.isfinite(out).all():
        raise UsageError(f"--expect {path} holds NaN or infinity", "draw it again where the model was trained")
    if label is not None:
        label = (label.argmax(1) if label.ndim == 2 and label.shape[1] > 1 else label.reshape(len(label))).astype(np.int64)
    return Expected(z=z.reshape(len(z), -1).astype(np.float32), label=label, out=out, source=str(path))


def _arrays(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    try:
        if path.is_dir():
            wanted = {name for names in NAMES.values() for name in names}
            return {file.stem: np.load(file, allow_pickle=False) for file in sorted(path.glob("*.npy")) if file.stem in wanted}
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return dict(file) if isinstance(file, np.lib.npyio.NpzFile) else {}
    except FileNotFoundError:
        raise ArtefactError(f"--expect {path} is missing", "pass the .npz file, or the folder of its arrays") from None
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise ArtefactError(f"--expect {path} cannot be read ({error})", "write it with numpy.savez") from error
    except Exception as error:  # zipfile's own class shares no base with the others
        raise ArtefactError(f"--expect {path} is no .npz file ({error})", "write it with numpy.savez") from error
