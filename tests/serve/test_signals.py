"""A signal that arrives while a runtime computes, when Python itself does not hear it."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.make_tiny_bundle import resealed
from tests.support.processes import listen_to_interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_run_inside_the_engine(number: signal.Signals, tiny_bundle: Path, tmp_path: Path) -> None:
    """One batch takes minutes here: Python's own handlers wait for the runtime to come back."""
    model = resealed((tiny_bundle / "generator.onnx").read_bytes(), multiply_for_minutes)
    (tmp_path / "slow.onnx").write_bytes(model)
    words = ["--bundle", "slow.onnx", "--n", "9000", "--batch", "4096", "out.tar"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gansample", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_interrupts,
    )  # fmt: skip
    running = psutil.Process(process.pid)
    while running.cpu_times().user < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    time.sleep(2.5)
    assert process.poll() is None, "the first signal waits for the batch"
    process.send_signal(number)
    _, message = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert "another signal ends the run at once" in message


def multiply_for_minutes(model: onnx.ModelProto) -> None:
    square = np.eye(192, dtype=np.float32)
    model.graph.initializer.extend(
        [numpy_helper.from_array(square, "square"), numpy_helper.from_array(np.array(1000), "trips")]
    )
    names = ["value", *(f"step{i}" for i in range(200)), "value_out"]
    steps = [helper.make_node("MatMul", [a, "square"], [b]) for a, b in itertools.pairwise(names)]
    go, value = (TensorProto.BOOL, []), (TensorProto.FLOAT, None)
    inputs = {"i": (TensorProto.INT64, []), "go": go, "value": value}
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_out"]), *steps],
        "body",
        [helper.make_tensor_value_info(name, *of) for name, of in inputs.items()],
        [helper.make_tensor_value_info("go_out", *go), helper.make_tensor_value_info("value_out", *value)],
    )
    model.graph.node.insert(1, helper.make_node("Loop", ["trips", "", "hidden"], ["looped"], body=body))
    model.graph.node[2].input[0] = "looped"
