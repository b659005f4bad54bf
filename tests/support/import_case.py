"""The synthetic generators, imported as a stranger's."""

from pathlib import Path

import torch

from export.importers.load_generator import Imported, load_generator
from export.importers.request import ImportRequest
from tests.support.synthetic_generators import CASES, trained_case

SOURCE = Path(__file__).with_name("synthetic_generators.py")


def import_case(name: str, folder: Path) -> Imported:
    """The case, imported from a weights file and its class."""
    case = CASES[name]
    torch.save(trained_case(name).state_dict(), folder / f"{name}.pth")
    return load_generator(
        ImportRequest(weights=folder / f"{name}.pth", generator=f"{SOURCE}:{case.class_name}", **case.options)
    )
