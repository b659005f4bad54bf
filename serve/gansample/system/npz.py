"""Arrays from a .npz or .npy file that somebody else wrote: what it claims is compared with what it holds before it is read.

NumPy takes memory for an array as large as the header says, and a compressed archive of a megabyte can hold gigabytes.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt


def read_npz(data: bytes, names: Sequence[str], limit: int) -> Mapping[str, npt.NDArray[Any]]:
    """The arrays of these names. Raises ValueError, with the reason, for damage, and for more than `limit` bytes in all."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.getinfo(f"{name}.npy") for name in names}
            if (size := sum(member.file_size for member in members.values())) > limit:
                raise ValueError(f"it holds {size:,} bytes, more than {limit:,}")
            arrays = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    arrays[name] = read_array(file, member.file_size)
            return arrays
    except ValueError:
        raise
    except KeyError as error:
        raise ValueError(str(error.args[0] if error.args else error)) from None
    except Exception as error:  # damage surfaces as any of a dozen classes, from BadZipFile to zlib.error
        raise ValueError(f"{type(error).__name__}: {error}") from None


def read_array(file: IO[bytes], size: int) -> npt.NDArray[Any]:
    """The array in a .npy file of `size` bytes. Raises ValueError where its header says more, or something else."""
    check_header(file, size)
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def check_header(file: IO[bytes], size: int) -> None:
    """Read the header of an array whose file has `size` bytes. Raises ValueError where the array would be larger."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"format {version}")
        shape, _, dtype = read(file)
    except ValueError:
        raise
    except Exception as error:  # the header is Python text, which may be anything
        raise ValueError(f"its header is no array's ({type(error).__name__})") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    count = 1
    for length in shape:
        if not isinstance(length, int) or length < 0:
            raise ValueError(f"its shape is {shape}")
        count *= length
    if count * dtype.itemsize > size or (count and not dtype.itemsize):
        raise ValueError(f"its header says {count:,} × {dtype}, and the file has {size:,} bytes")
