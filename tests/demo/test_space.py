"""`make space` writes a folder that runs with nothing but itself and its requirements."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest

from demo.space import space as space_command
from demo.space import write_space
from gansample.errors import OutputError, UsageError
from tests.support.make_tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def space(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "space"
    write_space(folder, [tiny_bundle])
    return folder


def test_the_card_says_what_a_space_must_know(space: Path) -> None:
    front = space.joinpath("README.md").read_text().split("---\n")[1]
    fields = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert (fields["sdk"], fields["app_file"], fields["license"]) == ("gradio", "app.py", "mit")
    assert fields["sdk_version"] == version("gradio")
    assert len(fields["short_description"]) <= 60, "the Hub refuses longer ones"


def test_requirements_are_exact_and_without_torch(space: Path) -> None:
    lines = space.joinpath("requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z-]+==[0-9][0-9a-z.+]*", line) for line in lines)
    assert not [line for line in lines if line.startswith(("torch", "onnx="))]


def test_nothing_of_this_machine_is_in_it(space: Path) -> None:
    names = {path.relative_to(space).as_posix() for path in space.rglob("*")}
    assert not [name for name in names if "__pycache__" in name]
    assert {"app.py", "demo/app.py", "gansample/sampling/sampler.py", "bundles/tiny/bundle.json"} <= names
    for path in space.rglob("*"):
        if path.suffix in (".py", ".md", ".txt"):
            assert str(Path.home()) not in path.read_text()


def test_an_existing_folder_is_kept(space: Path, tiny_bundle: Path) -> None:
    with pytest.raises(OutputError, match="--force"):
        write_space(space, [tiny_bundle])


def test_it_takes_the_newest_bundle_and_says_how_to_look_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tiny_bundle(tmp_path / "artifacts" / "mine")
    monkeypatch.chdir(tmp_path)
    space_command(Path("out"), bundle=None)
    printed = capsys.readouterr().out
    assert "draws from mine" in printed
    assert "python out/app.py  and open http://127.0.0.1:7860" in printed
    assert (tmp_path / "out" / "bundles" / "mine" / "bundle.json").exists()


def test_what_cannot_be_copied_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a single file"):
        write_space(tmp_path / "space", [tiny_bundle / "generator.onnx"])
    with pytest.raises(UsageError, match="have the same name"):
        write_space(tmp_path / "space", [tiny_bundle, tiny_bundle / "bundle.json"])
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_it_runs_as_it_is(space: Path, tmp_path: Path) -> None:
    gradio_client = pytest.importorskip("gradio_client")
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
    app = space / "app.py"
    app.write_text(app.read_text().replace("port=7860", f"port={port}"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GRADIO"))}
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen([sys.executable, str(app)], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        client = gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False, download_files=str(tmp_path / "d"))
        gallery, report = client.predict("tiny", "each in turn", 42, 2, 0, "exact", api_name="/generate")
        assert [item["caption"] for item in gallery["value"]] == ["seed 42", "seed 43"]
        assert "onnxruntime-cpu" in report
    finally:
        process.terminate()
        process.wait(20)
        log.close()
