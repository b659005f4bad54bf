"""Stand-ins for NVIDIA's libraries that obey the real bindings: a name, a flag or an argument that does not exist there fails.

The wheels of TensorRT's and CUDA's Python bindings install anywhere (`make bindings` puts them beside the environment), and
TensorRT's import once stub shared libraries with nine C symbols stand in for the real ones. What they contain is the real
interface: `double` wraps a class of theirs and lets through only what that class has, with arguments that fit the signature
in its documentation (pybind11 keeps no other). What the methods then do is written in the tests.
"""

import ctypes
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.triton import BINDINGS

STUB_LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
STUB_SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)


def bindings(name: str) -> Path:
    """The folder of one wheel. Absent: the test is skipped with the reason, and fails where CI=true."""
    folder = BINDINGS / name
    if not folder.is_dir():
        reason = f"NOT RUN: {name} is not in {BINDINGS} (make bindings)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def load_tensorrt(major: int, work: Path) -> ModuleType:
    """The real bindings of one major version; 1 is TensorRT for RTX, which needs no stubs: its libraries come with it.

    One process can hold only one: pybind11 registers each type once.
    """
    if major == 1:
        return importlib.import_module("tensorrt_rtx_bindings")
    folder = bindings(f"tensorrt-{major}")
    source = work / "stub.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in STUB_SYMBOLS))
    for library in STUB_LIBRARIES:
        name = f"lib{library}.so.{major}"
        subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", work / name, source], check=True)
        ctypes.CDLL(str(work / name), mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, str(folder))
    return importlib.import_module("tensorrt_bindings")


def load_cuda_runtime() -> ModuleType:
    """The real `cuda.bindings.runtime`."""
    folder = str(bindings("cuda"))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("cuda.bindings.runtime")


class Double:
    """An object that looks like an instance of `real` and has nothing that `real` has not.

    behaviour  what methods do and properties say, by name; a method that is not listed does nothing.
    """

    def __init__(self, module: ModuleType, real: type, **behaviour: Any) -> None:
        for name in behaviour:
            if not hasattr(real, name):
                raise AttributeError(f"{real.__name__} has no {name}")
        self.__dict__.update(_module=module, _real=real, _behaviour=behaviour)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._real, name):
            raise AttributeError(f"{self._real.__name__} has no {name}")
        attribute, behaviour = getattr(self._real, name), self._behaviour.get(name)
        if isinstance(attribute, property) or not callable(attribute):
            return behaviour
        return checked(self._module, attribute, behaviour or (lambda *_: None), skip_self=True)

    def __setattr__(self, name: str, value: Any) -> None:
        attribute = getattr(self._real, name, None)
        if not isinstance(attribute, property) or attribute.fset is None:
            raise AttributeError(f"{self._real.__name__} has no {name} to set")
        self._behaviour[name] = value


def checked(module: ModuleType, real: Any, behaviour: Callable[..., Any], *, skip_self: bool) -> Callable[..., Any]:
    """`behaviour`, called only with arguments that one of the real function's documented signatures takes."""
    signatures = documented_signatures(real.__doc__ or "", real.__name__)
    assert signatures, f"{real.__name__} documents no signature"

    def call(*arguments: Any, **keywords: Any) -> Any:
        problems = []
        for signature in signatures:
            try:
                bound = signature.bind(*(["self"] if skip_self else []), *arguments, **keywords)
            except TypeError as error:
                problems.append(str(error))
                continue
            given = {name: value for name, value in bound.arguments.items() if name != "self"}
            wrong = [name for name, value in given.items() if not fits(module, value, signature.parameters[name].annotation)]
            if not wrong:
                return behaviour(*given.values())
            problems.append(f"wrong type of {', '.join(wrong)}")
        raise TypeError(f"{real.__name__} does not take {arguments} {keywords}: {'; '.join(problems)}")

    return call


def documented_signatures(documentation: str, name: str) -> list[Signature]:
    """The signatures that pybind11 writes at the head of a docstring, one a line, numbered where there are several."""
    found = re.findall(rf"^(?:\d+\. )?{re.escape(name)}\((.*)\) -> ", documentation, re.MULTILINE)
    return [Signature([_parameter(one) for one in _split(text)]) for text in found if text != "*args, **kwargs"]


def fits(module: ModuleType, value: Any, annotation: str) -> bool:
    """Whether a value is what pybind11's type text asks for; types that no test of ours passes are refused."""
    kind = re.sub(r"tensorrt(_rtx)?_bindings\.tensorrt(_rtx)?\.|nvinfer1::", "", annotation)
    if kind in ("str", "bool", "tuple", "list"):
        return isinstance(value, {"str": str, "bool": bool, "tuple": tuple, "list": list}[kind])
    if kind in ("typing.SupportsInt", "int"):
        return hasattr(value, "__index__")
    if kind == "typing_extensions.Buffer":
        return isinstance(value, bytes | bytearray | memoryview)
    if kind == "Dims":
        return isinstance(value, tuple)
    real = module
    for part in kind.split("."):
        real = getattr(real, part, None)  # type: ignore[assignment]
    if not isinstance(real, type):
        return False
    return isinstance(value, real) or (isinstance(value, Double) and issubclass(value._real, real))


def _split(parameters: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(parameters):
        depth += (letter in "[(<") - (letter in "])>")
        if letter == "," and depth == 0:
            parts.append(parameters[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, parameters[start:]] if part.strip()]


def _parameter(text: str) -> Parameter:
    name, _, rest = text.partition(":")
    annotation, has_default, _ = rest.partition(" = ")
    default = None if has_default else Parameter.empty
    return Parameter(name.strip(), Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation.strip(), default=default)
