"""What in a configuration depends on the machine: decided once, before training, and written into the run."""

import logging
import os
import time
from dataclasses import replace
from typing import Literal

import torch

from gansample.errors import BackendUnavailable
from gansample.system.processors import usable_processors
from train.config import Config
from train.data.dataset import DataSet
from train.distributed import ProcessGroup
from train.state import TrainingState
from train.training_step import next_batch, step

logger = logging.getLogger(__name__)

WARM_UP, TIMED = 2, 5  # steps; the fastest of those that are timed counts
WORTH_IT = 0.9  # of float32's time: a gain smaller than noise is no reason to round


def resolve_config(config: Config, data: DataSet, group: ProcessGroup) -> Config:
    """`config` without any "auto": device, threads and precision as this machine runs them best.

    The first process decides for all. Raises BackendUnavailable where a GPU is required and there is none.
    """
    config = replace(config, device=device_for(config), threads=config.threads or usable_processors())
    make_reproducible(config)
    if config.precision == "auto":
        config = replace(config, precision=group.broadcast(fastest_precision(config, data) if group.is_main else None))
    return config


def device_for(config: Config) -> Literal["cpu", "cuda"]:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise BackendUnavailable("device=cuda, and PyTorch finds no GPU", "check nvidia-smi, or use --set device=cpu")
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def make_reproducible(config: Config) -> None:
    """Refuse operations without a deterministic form, and flush denormals, which are slow and differ between processors.

    The same kind of processor and number of threads then give the same weights, bit for bit.
    """
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads any, and it costs a tenth of a step
    if config.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs to be deterministic


def fastest_precision(config: Config, data: DataSet) -> str:
    """fp32, or bf16 where a training step is clearly faster with it (AMX or AVX-512 BF16 processors, GPUs).

    Times whole steps of throwaway networks, taking turns, so that a busy moment hits both.
    """
    states = {name: TrainingState(replace(config, precision=name), data) for name in ("fp32", "bf16")}
    seconds: dict[str, list[float]] = {name: [] for name in states}
    for turn in range(WARM_UP + TIMED):
        for name, state in states.items():
            batch = next_batch(state, data)
            started = time.perf_counter()
            step(state, *batch)
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    rates = {name: config.batch / min(times) for name, times in seconds.items()}
    chosen = "bf16" if rates["fp32"] < WORTH_IT * rates["bf16"] else "fp32"
    speeds = f"{rates['fp32']:,.0f} img/s in float32, {rates['bf16']:,.0f} in bfloat16"
    logger.info("precision %s: %s", chosen, speeds)
    return chosen
