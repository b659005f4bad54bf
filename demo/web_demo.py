"""Write a static page that needs no server: `python -m demo.web_demo OUT`.

The folder suits any static host. The generator draws in the visitor's browser: with ONNX Runtime on WebGPU, once it has drawn
the bundle's goldens there, else as WebAssembly. The page shows whether the goldens match, and why WebGPU does not draw.
"""

import base64
import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import gansample
from demo.bundle_store import NEWEST, open_folders
from demo.output_folder import describe_folder, output_folder
from gansample.bundle import seal
from gansample.bundle.goldens import read_goldens
from gansample.bundle.open import REFERENCE, Bundle, open_bundle
from gansample.bundle.style_mapping import MAPPING
from gansample.cli import console
from gansample.errors import BackendUnavailable
from gansample.runtimes.webgpu.without_round import without_round

SOURCES = Path(__file__).with_name("web")
SCRIPTS = ("app.js", "ask.js", "files.js", "latents.js", "png.js", "runtime.js", "texts.js", "webgpu.js", "worker.js")
PAGE = ("index.html", "page.css", "icon.svg", *SCRIPTS)
# Without and with WebGPU; a visitor's browser loads one of them. Of the builds with WebGPU, `jspi` is the small one (17 MB,
# not 27) and the only one below the 25 MiB that some hosts allow for a file.
WASM = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = ("ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm")
GOLDENS = 8  # that the page verifies
PORT = 8080  # to look at it: not gan serve's, which may be running

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def web_demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")] = Path("dist/web-demo"),
    bundle: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help=f"A bundle to show (may be repeated; default: {NEWEST}).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what this command wrote there before.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Write a static page that draws in the visitor's browser."""
    bundles = bundle or [open_bundle().path]
    write_web_demo(out, bundles, force=force)
    print(f"{out}: {describe_folder(out)}, draws from {', '.join(path.name for path in bundles)}")
    serve = f"python -m http.server {PORT} --bind 127.0.0.1 -d {shlex.quote(str(out))}"
    print(f"Look at it:  {serve}  and open http://127.0.0.1:{PORT}")
    print("Publish it:  copy the folder to any static host with https (browsers check digests there only, and on localhost)")


def write_web_demo(out: Path, bundles: Sequence[Path], *, force: bool = False) -> None:
    """Raises what `output_folder` and `open_folders` raise, and BackendUnavailable without npm or a network."""
    opened = open_folders(bundles)
    with tempfile.TemporaryDirectory() as packages, output_folder(out, kind="static page", force=force) as folder:
        runtime = install_node_modules(Path(packages)) / "onnxruntime-web" / "dist"
        (folder / "ort").mkdir()
        for name in WASM + WEBGPU:
            shutil.copyfile(runtime / name, folder / "ort" / name)
        for name in PAGE:
            shutil.copyfile(SOURCES / name, folder / name)
        for name, bundle in opened.items():
            (folder / "bundles" / name).mkdir(parents=True)
            model = model_for_browsers(bundle.read(REFERENCE))
            about = {**_about(bundle, name), "file_sha256": seal.digest(model), seal.KEY: seal.BLANK}
            (folder / "bundles" / name / REFERENCE).write_bytes(model)
            if bundle.spec.mapping is not None:
                (folder / "bundles" / name / MAPPING).write_bytes(bundle.read(MAPPING))
            (folder / "bundles" / name / "about.json").write_bytes(seal.sealed(json.dumps(about).encode()))
        (folder / "bundles.json").write_text(json.dumps(list(opened)), encoding="utf-8")


def model_for_browsers(model: bytes) -> bytes:
    """The model without Round, for which WebGPU has no kernel: to the bit the same pictures on a CPU, from other bytes."""
    changed = without_round(model)
    return model if changed == model else seal.resealed(changed)


def install_node_modules(folder: Path) -> Path:
    """Install exactly what package-lock.json names, digests checked by npm, and return node_modules."""
    npm = shutil.which("npm")
    if npm is None:
        raise BackendUnavailable("npm is not installed", "it fetches ONNX Runtime for browsers: apt-get install npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(SOURCES / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackendUnavailable(f"npm cannot fetch onnxruntime-web ({reason})", "check the network, or npm's registry")
    return folder / "node_modules"


def _about(bundle: Bundle, folder: str) -> dict[str, Any]:
    """What the page needs to know about a bundle, with its first goldens. `sha256` is that of the bundle's own model file."""
    spec, goldens = bundle.spec, read_goldens(bundle)
    return {
        "folder": folder,
        "name": spec.name,
        "version": gansample.__version__,
        "sha256": bundle.sha256,
        "latent": {"size": spec.latent_size, "distribution": spec.distribution},
        # The page says the rest in its own languages; None where the bundle does not record it.
        "assumptions": [str(fact) for fact in spec.basis.assumptions] if spec.basis is not None else None,
        "compared": spec.basis.compared if spec.basis is not None else 0,
        "reference": bundle.reference,
        "classes": list(spec.classes) if spec.classes is not None else None,
        "image": {"height": spec.height, "width": spec.width, "channels": spec.channels},
        **({"mapping": bundle.spec.mapping.to_dict()} if bundle.spec.mapping is not None else {}),
        "goldens": {
            **({"psi": goldens.psi[:GOLDENS].tolist()} if goldens.psi is not None else {}),
            "z": goldens.z[:GOLDENS].ravel().tolist(),
            "labels": goldens.label[:GOLDENS].tolist() if goldens.label is not None else [0] * GOLDENS,
            "images": base64.b64encode(goldens.images[:GOLDENS].tobytes()).decode(),
        },
    }


if __name__ == "__main__":
    console.run(app, "web-demo")
