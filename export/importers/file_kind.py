"""What a file is, by its first bytes and never by its name; and, where it holds no weights, what to do instead."""

import io
import zipfile
from pathlib import Path
from typing import Literal

from gansample.bundle.seal import digest
from gansample.errors import ArtefactError

Kind = Literal["torch-zip", "torch-legacy", "safetensors", "torchscript", "onnx", "pickle"]

# The first pickle of torch.save's format before 1.6 holds this number: torch/serialization.py, MAGIC_NUMBER.
LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

# First bytes of what people pass by mistake: (bytes, what it is, what to do).
MISTAKES: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a git-lfs pointer, the weights themselves were not downloaded", "run: git lfs pull"),
    (b"<", "a web page", "download the file itself (on GitHub: the Raw or Download button)"),
    (
        b"\x89HDF",
        "an HDF5 file (Keras)",
        "only PyTorch, ONNX and TorchScript generators are read: export it to ONNX and pass --onnx",
    ),
    (b"\x89PNG", "a PNG picture", "pass the weights"),
    (b"\xff\xd8\xff", "a JPEG picture", "pass the weights"),
    (b"\x1f\x8b", "gzip-compressed", "unpack it first: gunzip or tar -xzf"),
    (b"7z\xbc\xaf", "a 7-zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\x93NUMPY", "a NumPy array", "pass a state dict: torch.save(G.state_dict(), 'gen.pth')"),
)


def read_identified(path: Path) -> tuple[bytes, Kind]:
    """The file's bytes and what they are.

    Raises ArtefactError naming what the file is where it cannot hold a generator.
    """
    if path.is_dir():
        raise ArtefactError(f"{path} is a folder and no training run", "pass the weights file in it")
    if not path.exists():
        raise ArtefactError(f"there is no file {path}", "check the path")
    if not path.is_file():  # a pipe would never end
        raise ArtefactError(f"{path} is no regular file", "copy what comes from it into a file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})") from None
    return data, identify(data, path.name)


def identify(data: bytes, name: str) -> Kind:
    """What these bytes are; `name` is only for the message."""
    if not data:
        raise ArtefactError(f"{name} is empty", "copy or download it again")
    for magic, what, hint in MISTAKES:
        if data.lstrip()[: len(magic)].lower() == magic.lower() if magic == b"<" else data.startswith(magic):
            raise ArtefactError(f"{name} is {what}", hint)
    if data.startswith(b"PK"):
        return _inside_zip(data, name)
    if LEGACY_MAGIC in data[:32]:
        return "torch-legacy"
    if _is_safetensors(data):
        return "safetensors"
    if data[4:8] == b"TFL3":
        raise ArtefactError(f"{name} is a TensorFlow Lite model", "export the generator to ONNX and pass --onnx")
    if data[257:262] == b"ustar":
        raise ArtefactError(f"{name} is a tar archive", "unpack it first and pass the weights file in it")
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if _is_onnx(data):
        return "onnx"
    raise ArtefactError(f"{name} is no torch, safetensors, TorchScript or ONNX file", f"it begins with {data[:8]!r}")


def describe(data: bytes) -> str:
    """Identity for provenance: the digest of the bytes."""
    return digest(data)


def _inside_zip(data: bytes, name: str) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
    except zipfile.BadZipFile:
        raise ArtefactError(f"{name} is truncated (its zip directory is missing)", "copy or download it again") from None
    except (ValueError, NotImplementedError) as error:  # names that are no UTF-8, offsets before the file's beginning
        raise ArtefactError(f"{name} is damaged (its zip directory: {error})", "copy or download it again") from None
    inner = {member.partition("/")[2] for member in members}
    if any(member.startswith("code/") for member in inner) and "constants.pkl" in inner:
        return "torchscript"
    if "data.pkl" in inner:
        return "torch-zip"
    if "archive_format" in inner or any(
        "serialized_exported_program" in member or member.endswith("models/model.json") for member in members
    ):
        raise ArtefactError(
            f"{name} is a torch.export program (.pt2)", "export it to ONNX and pass --onnx, or pass its weights"
        )
    if any(member.endswith(".npy") for member in members):
        raise ArtefactError(f"{name} is a NumPy .npz archive", "pass a state dict: torch.save(G.state_dict(), 'gen.pth')")
    if "model.weights.h5" in members or "metadata.json" in members:
        raise ArtefactError(f"{name} is a Keras model", "export it to ONNX and pass --onnx")
    found = ", ".join(members[:3]) or "nothing"
    raise ArtefactError(f"{name} is a zip archive with {found}", "unpack it and pass the weights file in it")


def _is_safetensors(data: bytes) -> bool:
    """Eight bytes of header length, then a JSON object (safetensors format description)."""
    return len(data) > 9 and data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 1 << 27


def _is_onnx(data: bytes) -> bool:
    """A protobuf that begins with ir_version (field 1, varint below 128)."""
    return data[:1] == b"\x08" and len(data) > 16 and 1 <= data[1] <= 32
