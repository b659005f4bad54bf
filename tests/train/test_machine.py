"""What depends on the machine is decided once, and a decision is written down, not left to chance."""

import json
from pathlib import Path

import pytest
import torch

from gansample.errors import BackendUnavailable
from gansample.system.processors import usable_processors
from tests.support.logs import logged
from tests.support.run_training import SMALL, train
from tests.support.tiny_training import tiny_config, tiny_data
from train.distributed import ProcessGroup
from train.machine import fastest_precision, make_reproducible, resolve_config


def test_nothing_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    threads = torch.get_num_threads()
    with logged(said):
        config = resolve_config(tiny_config(precision="auto", device="auto", threads=0), tiny_data(), ProcessGroup())
    torch.set_num_threads(threads)
    assert config.threads == usable_processors()
    assert config.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert config.precision in ("fp32", "bf16")
    assert said[0].startswith(f"precision {config.precision}: ")


@pytest.mark.parametrize(("seconds", "chosen"), [((1.0, 0.5), "bf16"), ((1.0, 0.95), "fp32"), ((1.0, 2.0), "fp32")])
def test_bfloat16_is_taken_only_where_it_clearly_pays(
    seconds: tuple[float, float], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is ours: each step takes as long as its precision is said to."""
    now = [0.0]
    monkeypatch.setattr("train.machine.time.perf_counter", lambda: now[0])

    def step(state: object, *batch: object) -> None:
        now[0] += seconds[state.config.precision == "bf16"]  # type: ignore[attr-defined]

    monkeypatch.setattr("train.machine.step", step)
    assert fastest_precision(tiny_config(), tiny_data()) == chosen


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendUnavailable, match="device=cuda, and PyTorch finds no GPU"):
        resolve_config(tiny_config(device="cuda"), tiny_data(), ProcessGroup())


def test_being_reproducible_costs_no_filling() -> None:
    make_reproducible(tiny_config(threads=1))
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory is False  # type: ignore[attr-defined]


def test_the_decision_stands_in_the_run(tmp_path: Path) -> None:
    code, _, err = train(tmp_path, "--images", "320", "--out", "run", "--set", "precision=auto", *SMALL)
    assert code == 0, err
    config = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert (config["precision"], config["device"]) in {("fp32", "cpu"), ("bf16", "cpu"), ("bf16", "cuda"), ("fp32", "cuda")}
    assert f"precision {config['precision']}: " in err
