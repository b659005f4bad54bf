"""Seconds that a bundle's variant computes for N pictures in batches of 64, and nothing else: python -m benchmarks.compute"""

import subprocess
import sys
import time
from pathlib import Path

from gansample import open_sampler
from gansample.latents import latents


def compute_seconds(bundle: Path, variant: str, n: int) -> float:
    """The same, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.compute", str(bundle), variant, str(n)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(bundle: str, variant: str, n: str) -> None:
    with open_sampler(bundle, variant=variant) as sampler:
        z = latents(range(64), sampler.spec.latent_size)
        sampler.runner.run(z, None)
        started = time.perf_counter()
        for _ in range(0, int(n), 64):
            sampler.runner.run(z, None)
        print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
