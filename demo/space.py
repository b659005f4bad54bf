"""Write a Hugging Face Space as a self-contained folder: `python -m demo.space OUT`."""

import re
import shlex
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

import demo
import gansample
from demo.bundle_store import NEWEST, open_folders
from demo.output_folder import describe_folder, output_folder
from gansample.bundle.open import open_bundle
from gansample.cli import console

PACKAGES = ("gradio", "onnxruntime", "numpy", "pillow", "typer", "rich", "deflate", "openvino")
PORT = 7860  # where a Space is expected
OPTIONAL = ("openvino",)  # for int8; omitted if it is not installed here

CARD = """---
title: gansample
emoji: 🎞️
colorFrom: yellow
colorTo: gray
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
pinned: false
license: mit
short_description: Pictures from exported GAN generators, a seed a picture
---

# gansample

A trained generator draws each picture from nothing but its number: same number, same picture, on any machine.
Bundles here: {bundles}. Made by `make space`; everything that runs is in this folder.
"""

APP = '''"""The demo as a Space: every bundle in this folder, behind the same guard as `python -m demo`."""

import contextlib
import threading
from pathlib import Path

from demo.image_store import private_image_store
from demo.bundle_store import BundleStore, find_bundles

HERE = Path(__file__).parent
bundle_store = BundleStore(find_bundles([(HERE / "bundles").absolute()]))

if __name__ == "__main__":
    with private_image_store() as image_store, contextlib.chdir(image_store.folder.parent):
        from demo.app import build_page
        from demo.launch import running

        with running(build_page(bundle_store, image_store), image_store, host="0.0.0.0", port={port}):
            threading.Event().wait()
'''

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def space(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")] = Path("dist/space"),
    bundle: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help=f"A bundle to include (may be repeated; default: {NEWEST}).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what this command wrote there before.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Write a folder that runs as a Gradio Space: app, requirements, code, bundles, card."""
    bundles = bundle or [open_bundle().path]
    write_space(out, bundles, force=force)
    print(f"{out}: {describe_folder(out)}, draws from {', '.join(path.name for path in bundles)}")
    print(f"Look at it:  python {shlex.quote(str(out / 'app.py'))}  and open http://127.0.0.1:{PORT}")
    print("Publish it:  push the folder to the repository of a Hugging Face Space")


def write_space(out: Path, bundles: Sequence[Path], *, force: bool = False) -> None:
    """Raises what `output_folder` and `open_folders` raise."""
    opened = open_folders(bundles)
    with output_folder(out, kind="Space", force=force) as folder:
        for name, found in opened.items():
            shutil.copytree(found.path, folder / "bundles" / name, ignore=_unneeded)
        names = ", ".join(found.spec.name for found in opened.values())
        (folder / "README.md").write_text(CARD.format(gradio=version("gradio"), bundles=names), encoding="utf-8")
        (folder / "app.py").write_text(APP.replace("{port}", str(PORT)), encoding="utf-8")
        (folder / "requirements.txt").write_text(_requirements(), encoding="utf-8")
        for package in (demo, gansample):
            root = Path(str(package.__file__)).parent
            shutil.copytree(root, folder / root.name, ignore=_unneeded)


def _requirements() -> str:
    """The packages with the exact versions installed here."""
    lines = []
    for package in PACKAGES:
        try:
            lines.append(f"{package}=={version(package)}")
        except ModuleNotFoundError:
            if package not in OPTIONAL:
                raise
    return "\n".join(lines) + "\n"


def _unneeded(folder: str, names: list[str]) -> set[str]:
    """Caches, and the embedded bundles, which the Space has next to the code."""
    return {name for name in names if re.fullmatch(r"__pycache__|.*\.pyc|bundles", name) and not folder.endswith("bundles")}


if __name__ == "__main__":
    console.run(app, "space")
