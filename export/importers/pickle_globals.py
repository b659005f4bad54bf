"""What a torch file would import if it were unpickled, read from its instructions without following any."""

import io
import pickletools
import re
import sys
import zipfile

UNKNOWN = "what cannot be told without running it"
# What torch and NumPy write themselves. Other names of theirs do something when they are called: torch.hub.load, numpy.load …
_WEIGHTS_ONLY = re.compile(
    r"torch\.(nn\.[\w.]+|_utils\._rebuild\w+|\w*Storage|storage\.\w+|Size|device|dtype|Tensor|_tensor\._rebuild_from_type_v2|"
    r"serialization\._get_layout)"
    r"|numpy\.(ndarray|dtype|_?core\.multiarray\.(_reconstruct|scalar))|numpy\.dtypes?\.\w+"
    r"|collections\.\w+|(builtins|__builtin__)\.(set|frozenset|bytes|bytearray|complex|slice|range|list|dict|tuple)"
)
# Of the standard library, what holds values. The rest does something: in a file of weights that is an attack.
_HOLDS_VALUES = frozenset((
    "collections", "argparse", "pathlib", "datetime", "enum", "copyreg", "copy_reg", "_codecs", "decimal", "fractions", "uuid",
    "types", "functools", "operator", "typing", "dataclasses", "random", "logging", "numbers", "abc", "inspect", "threading",
    "time", "zoneinfo", "string", "re", "ipaddress", "itertools", "array", "queue",
))  # fmt: skip
_BUILTINS = ("builtins", "__builtin__", "")  # a name without a module is one of Python's own functions
_DOES_SOMETHING = frozenset(
    ["eval", "exec", "compile", "open", "__import__", "breakpoint", "input", "globals", "locals", "vars", "setattr", "delattr"]
)
_LEGACY_PICKLES = 4  # of the format before torch 1.6: magic number, version, system and the content


def globals_in(data: bytes) -> set[str]:
    """`module.name` of everything that the pickle in a torch file names; UNKNOWN where an instruction takes them elsewhere."""
    try:
        return {name for pickle in _pickles(data) for name in _named(pickle)}
    except Exception:  # damage surfaces as any of many classes, and only a message depends on this
        return {UNKNOWN}


def holds_weights_only(names: set[str]) -> bool:
    """Whether these are names that torch, NumPy and collections write for tensors and modules, and no others."""
    return all(_WEIGHTS_ONLY.fullmatch(name) for name in names)


def is_attack(name: str) -> bool:
    """Whether calling what has this name does something, where a file of weights would only hold values."""
    module, _, function = name.rpartition(".")
    if module in _BUILTINS:
        return function in _DOES_SOMETHING
    return module.partition(".")[0] in ({*sys.stdlib_module_names, "posix", "nt"} - _HOLDS_VALUES)


def _pickles(data: bytes) -> list[io.BytesIO]:
    if not data.startswith(b"PK"):
        return [io.BytesIO(data)] * _LEGACY_PICKLES  # one after the other, in the same stream
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [io.BytesIO(archive.read(name)) for name in archive.namelist() if name.endswith("data.pkl")]


def _named(pickle: io.BytesIO) -> set[str]:
    names = set()
    for instruction, argument, _ in pickletools.genops(pickle):
        if instruction.name == "GLOBAL":
            names.add(str(argument).replace(" ", "."))
        elif instruction.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
            names.add(UNKNOWN)
    return names
