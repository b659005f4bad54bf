"""One contestant in one process: opens it, then draws for every line on stdin and answers with the seconds of one batch.

Each turn starts with a pause and an untimed draw: the threads of the contestant before spin for a while after their last run,
and the caches are full of its weights.
"""

import statistics
import sys
import time
from pathlib import Path

from benchmarks.contestants import open_contestant

PAUSE = 0.15  # seconds
TIMED = 3


def main(name: str, bundle: str, weights: str, batch: str, threads: str) -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr
    draw = open_contestant(name, Path(bundle), Path(weights) if weights else None, int(batch), int(threads))
    for _ in range(3):
        draw()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        time.sleep(PAUSE)
        draw()
        seconds = []
        for _ in range(TIMED):
            started = time.perf_counter()
            draw()
            seconds.append(time.perf_counter() - started)
        print(statistics.median(seconds), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
