"""Send a bundle's goldens to a server of the Open Inference Protocol, through HTTP and gRPC, and check its pictures.

    pip install 'tritonclient[all]'
    python replay.py                                        every model of this repository, on 127.0.0.1:8000 and :8001
    python replay.py --http gpu-host:8000 --grpc gpu-host:8001 --model fashion_onnx

Works with Triton and with `gan serve`. Needs numpy and tritonclient only. PASS: within the gate of the model's precision, at
every batch size. A model that did not answer is NOT RUN, which is no pass. Exit code 0: every model that answered passed; 4: no
model answered; 6: one draws other pictures.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
BATCHES = (1, 2, 17, 64)
PROTOCOLS = ("http", "grpc")


def main() -> int:
    about = json.loads((HERE / "replay.json").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description="Check a server's pictures against the goldens.")
    parser.add_argument("--http", default="127.0.0.1:8000", help="host:port, or '' for none")
    parser.add_argument("--grpc", default="127.0.0.1:8001", help="host:port, or '' for none")
    parser.add_argument("--model", action="append", help=f"instead of {', '.join(about['models'])}")
    parser.add_argument("--token", help="for gan serve, if it needs one")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    arguments = parser.parse_args()
    goldens = dict(np.load(HERE / "golden.npz"))
    rows = [
        check_model(protocol, getattr(arguments, protocol), name, goldens, about, arguments.token)
        for name in arguments.model or about["models"]
        for protocol in PROTOCOLS
    ]
    ran = [row for row in rows if row["verdict"] != "NOT RUN"]
    failed = [row for row in ran if row["verdict"] == "FAIL"]
    if arguments.json:
        print(json.dumps({"verdict": "FAIL" if failed else "PASS" if ran else "NOT RUN", "rows": rows}))
    else:
        for row in rows:
            print(f"{row['model']:24} {row['protocol']:5} {row['verdict']:8} {row['why']}")
    return 6 if failed else 0 if ran else 4


def check_model(protocol: str, url: str, model: str, goldens: Any, about: Any, token: str | None) -> dict[str, str]:
    """One row of the report."""
    row = {"model": model, "protocol": protocol}
    if not url:
        return {**row, "verdict": "NOT RUN", "why": "no address was given"}
    try:
        worst, identical, images = 0, 1.0, 0
        for seen, wanted in responses(protocol, url, model, goldens, about["max_batch"], token):
            step = np.abs(seen.astype(int) - wanted.astype(int))
            worst, identical, images = (
                max(worst, int(step.max())),
                min(identical, float((step == 0).mean())),
                images + len(seen),
            )
    except Unreachable as reason:
        return {**row, "verdict": "NOT RUN", "why": str(reason)}
    except Exception as error:  # the server answered with something else than pictures
        return {**row, "verdict": "FAIL", "why": " ".join(str(error).split())}
    good = images > 0 and worst <= about["max_step"] and identical >= about["identical"]
    why = f"{images} pictures, max {worst} steps, {identical:.3%} of the pixels identical"
    return {**row, "verdict": "PASS" if good else "FAIL", "why": why}


class Unreachable(Exception):
    """The model could not be asked: NOT RUN."""


def responses(protocol: str, url: str, model: str, goldens: Any, most: int, token: str | None) -> Iterator[tuple[Any, Any]]:
    """The server's pictures and the expected ones, at every batch size it takes."""
    try:
        if protocol == "http":
            from tritonclient import http as library
        else:
            from tritonclient import grpc as library
    except ImportError as error:
        raise Unreachable(f"{error.name} is not installed (pip install 'tritonclient[all]')") from None
    client = library.InferenceServerClient(url)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        if not client.is_server_live(headers=headers):
            raise Unreachable(f"the server at {url} is not live")
    except Unreachable:
        raise
    except Exception as error:  # each protocol raises its own when the server is unreachable
        raise Unreachable(f"no server answers at {url} ({type(error).__name__})") from None
    if not client.is_model_ready(model, headers=headers):
        raise Unreachable(f"{url} has no model {model} that is ready")
    as_json = {} if protocol == "http" else {"as_json": True}
    takes = {entry["name"] for entry in client.get_model_metadata(model, headers=headers, **as_json)["inputs"]}
    for batch in BATCHES:
        n = min(batch, most, len(goldens["images"]))
        inputs = [_tensor(library, name, goldens[name][:n]) for name in _wanted(takes)]
        output = library.InferRequestedOutput("images")
        result = client.infer(model, inputs, outputs=[output], headers=headers)
        yield result.as_numpy("images"), goldens["images"][:n]


def _wanted(takes: set[str]) -> list[str]:
    """z if the model takes it, as the graph does, else seeds, or styles; and labels and psi where they apply."""
    first = next(name for name in ("z", "seed", "w") if name in takes)
    return [first, *(name for name in ("label", "psi") if name in takes)]


def _tensor(library: Any, name: str, values: Any) -> Any:
    values = values if values.ndim > 1 else values.reshape(-1, 1)
    tensor = library.InferInput(name, list(values.shape), "INT64" if values.dtype.kind == "i" else "FP32")
    tensor.set_data_from_numpy(np.ascontiguousarray(values))
    return tensor


if __name__ == "__main__":
    sys.exit(main())
