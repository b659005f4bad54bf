"""Progress is readable where nobody looks at a terminal, and its time left is measured on steps alone."""

import logging
import time
from dataclasses import replace

import pytest

from tests.support.tiny_training import tiny_evaluator
from train.show.progress import Clock, LiveBar, PlainLines, open_progress
from train.training_step import StepMetrics

METRICS = StepMetrics(loss_d=1.5, loss_g=-0.25, value=-1.2, d_real=0.7, d_fake=0.4)


def test_ten_lines_for_a_run_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(quiet=False) as progress:
        assert isinstance(progress, PlainLines)
        for step in range(1, 201):
            progress.step(METRICS, 16 * step, 3200)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line[:5] for line in lines] == [f"{percent:3d} %" for percent in range(10, 101, 10)]
    for text in ("320 of 3,200 images", "img/s", "left", "V -1.20", "D(x) 0.70", "D(G(z)) 0.40", "loss D 1.50 G -0.25"):
        assert text in lines[0]


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(quiet=True) as progress:
        progress.note("hello")
        logging.getLogger("train.any").info("hello")
        progress.step(METRICS, 16, 3200)
        progress.scored(tiny_evaluator().floor, tiny_evaluator().floor, 16)
        progress.warned("the samples look alike")
    assert capsys.readouterr() == ("", "")


def test_scores_stand_beside_their_floor_and_warnings_stand_out(capsys: pytest.CaptureFixture[str]) -> None:
    floor = replace(tiny_evaluator().floor, frechet=1.5, coverage=0.9, obedience=0.99)
    with open_progress(quiet=False) as progress:
        progress.scored(replace(floor, frechet=3.25, coverage=0.5, obedience=0.8), floor, 16_000)
        progress.scored(replace(floor, obedience=None), floor, 16_000)
        progress.warned("the samples look alike")
        logging.getLogger("train.any").info("what is logged is shown, 100 %")
    first, second, third, fourth = capsys.readouterr().err.splitlines()
    for text in (
        "16,000 images",
        "Fréchet 3.2 (real 1.5)",
        "coverage 0.50 (real 0.90)",
        "10 of 10 classes",
        "class accuracy 80% (real 99%)",
    ):
        assert text in first
    assert "accuracy" not in second
    assert third == "warning: the samples look alike"
    assert fourth == "what is logged is shown, 100 %"


def test_a_resumed_run_says_nothing_until_its_next_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainLines()
    for images_seen in range(1760, 3200, 160):
        progress.step(METRICS, images_seen, 3200)
    assert [line[:5] for line in capsys.readouterr().err.splitlines()] == [" 60 %", " 70 %", " 80 %", " 90 %"]


def test_the_live_bar_leaves_only_its_notes(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LiveBar()
    for step in range(1, 20):
        progress.step(METRICS, 16 * step, 3200)
    progress.note("a note [with brackets]")
    progress.scored(tiny_evaluator().floor, tiny_evaluator().floor, 300)
    progress.warned("the samples look alike")
    progress.close()
    out, err = capsys.readouterr()
    assert out == ""
    for text in ("a note [with brackets]", "300 images  Fréchet", "warning: the samples look alike"):
        assert text in err


def test_time_left_is_what_the_last_steps_say(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, now = Clock(), 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert clock.pace(10, 1210) == "", "the time before the first step is no measure"
    for step in range(2, 22):
        now += 0.1
        pace = clock.pace(10 * step, 1210)
    assert pace == "100 img/s  0:10 left"
    now += 0.1
    assert clock.pace(220, 1_440_220) == "100 img/s  4:00:00 left"
