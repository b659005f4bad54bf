"""What TensorBoard reads back is what log.jsonl says, once, also after a run was resumed."""

import json
from pathlib import Path
from typing import Any

import pytest

from gansample.errors import BackendUnavailable
from tests.support.tiny_training import tiny_evaluator, tiny_run
from train.show.tensorboard import FOLDER, TensorBoard

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")  # tensorboard's own


def read(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run / FOLDER)).Reload()


def test_a_run_can_be_read_back(tmp_path: Path) -> None:
    run = tiny_run(tmp_path / "run")
    board = TensorBoard(run, tiny_evaluator().floor.to_dict())
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for row in rows:
        board.row(row)
    for preview in sorted((run / "previews").iterdir()):
        board.preview(preview.read_bytes(), int(preview.stem))
    board.row({"event": "warning", "kind": "collapse", "message": "samples look alike", "step": 20, "images_seen": 640})
    board.close()
    found = read(run)
    for event, name in (("scores", "frechet"), ("scores", "coverage"), ("losses", "value")):
        expected = [(row["images_seen"], row[name]) for row in rows if row["event"] == event]
        curve = [(point.step, point.value) for point in found.Scalars(f"{event}/{name}")]
        assert curve == [(seen, pytest.approx(value)) for seen, value in expected]
    assert [point.value for point in found.Scalars("real/frechet")] == 3 * [pytest.approx(tiny_evaluator().floor.frechet)]
    assert found.Scalars("scores/class_shares/9")
    assert [picture.step for picture in found.Images("samples")] == [0, 320, 640]
    assert "warnings/text_summary" in found.Tags()["tensors"]
    assert "scores/obedience" not in found.Tags()["scalars"], "None is no value"


def test_what_was_written_after_the_checkpoint_is_taken_back(tmp_path: Path) -> None:
    def losses(seen: int, value: float) -> dict[str, Any]:
        return {"event": "losses", "step": seen // 10, "images_seen": seen, "value": value}

    interrupted = TensorBoard(tmp_path, {})
    for seen in (100, 200, 300, 400):
        interrupted.row(losses(seen, -1.0))
    interrupted.close()
    resumed = TensorBoard(tmp_path, {}, resumed_at=200)
    for seen in (300, 400, 500):
        resumed.row(losses(seen, -0.5))
    resumed.close()
    curve = [(point.step, point.value) for point in read(tmp_path).Scalars("losses/value")]
    assert curve == [(100, -1.0), (200, -1.0), (300, -0.5), (400, -0.5), (500, -0.5)]


def test_a_missing_package_is_said_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.cli import app

    monkeypatch.setattr("train.show.tensorboard.find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match=r"tensorboard is not installed: .* -m pip install"):
        app(["--tensorboard", "--out", str(tmp_path / "run")], standalone_mode=False)
    assert not (tmp_path / "run").exists()
