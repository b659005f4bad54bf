"""One contestant in one process: opens it, then draws once per line on stdin and answers with the seconds it took.

A runtime's threads spin for a while after each run and would slow down the next contestant in the same process.
"""

import sys
import time
from pathlib import Path

from benchmarks.contestants import open_contestant


def main(name: str, bundle: str, weights: str, batch: str, threads: str) -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr
    draw = open_contestant(name, Path(bundle), Path(weights) if weights else None, int(batch), int(threads))
    for _ in range(3):
        draw()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        draw()
        print(time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
