"""deploy/: manifests that the published schemas accept, images that hold only what draws, and a service that runs in them.

There is no container engine and no cluster: building the images and applying the manifests is NOT RUN. Their contents are run:
the packages they install, the command, the probes, the read-only root.
"""

import re
import shlex
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from benchmarks.triton import BINDINGS
from gansample.http.server import DRAIN
from tests.support.repository import ROOT
from tests.support.run_service import free_port

DEPLOY = ROOT / "deploy"
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
KSERVE = yaml.safe_load((DEPLOY / "kserve.yaml").read_text())
VERSION = "1.37"


def by_kind(kind: str) -> Any:
    return next(document for document in KUBERNETES if document["kind"] == kind)


POD = by_kind("Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("document", KUBERNETES, ids=lambda document: document["kind"])
def test_the_published_schema_accepts_it(document: Any) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**document, "spec": {**document["spec"], "replicaz": 2}}, VERSION, strict=True)


@pytest.mark.parametrize("pod", [POD, KSERVE["spec"]["predictor"]], ids=["kubernetes", "kserve"])
def test_the_pod_is_a_careful_one(pod: Any) -> None:
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert {container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")} == {"/readyz", "/livez"}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts["tmp"]["mountPath"] == "/tmp", "the one place that may be written"
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)


def test_the_parts_find_each_other() -> None:
    labels = by_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert by_kind("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert by_kind("Service")["spec"]["selector"].items() <= labels.items()
    assert by_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert by_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == by_kind("Deployment")["metadata"]["name"]
    ports = {port["name"] for port in POD["containers"][0]["ports"]}
    assert by_kind("Service")["spec"]["ports"][0]["targetPort"] in ports
    grace = POD["terminationGracePeriodSeconds"] - POD["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace > DRAIN, "whatever was accepted is answered before the kill"


@pytest.fixture(scope="module")
def kserve() -> Iterator[ModuleType]:
    """KServe's API as its own package publishes it: the models that are generated from its OpenAPI document."""
    if not (BINDINGS / "kserve").is_dir():
        pytest.fail("KServe's API is missing: make bindings")
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "kserve"}
    for name in ("kserve", "kserve.models"):  # their __init__ would load a whole server
        package = ModuleType(name)
        package.__path__ = [str(BINDINGS / "kserve" / name.replace(".", "/"))]
        sys.modules[name] = package
    yield sys.modules["kserve.models"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "kserve"]:
        del sys.modules[name]
    sys.modules.update(before)


def unknown(value: Any, kind: str, at: str = "") -> list[str]:
    """Where `value` has a field that the OpenAPI type `kind` does not have. Kubernetes' own are checked elsewhere."""
    if not kind.startswith("V1beta1"):
        return []
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    model = getattr(import_module(f"kserve.models.{stem}"), kind)
    names = {json: name for name, json in model.attribute_map.items()}
    wrong = [f"{at}.{key}" for key in value if key not in names]
    for key in value.keys() & names.keys():
        wrong += unknown(value[key], model.openapi_types[names[key]], f"{at}.{key}")
    return wrong


def test_kserves_published_api_accepts_the_service(kserve: ModuleType) -> None:
    assert unknown(KSERVE, "V1beta1InferenceService") == []
    predictor = KSERVE["spec"]["predictor"]
    assert unknown({**KSERVE, "spec": {"predictor": {**predictor, "minReplica": 1}}}, "V1beta1InferenceService") == [
        ".spec.predictor.minReplica"
    ]
    pod = {key: predictor[key] for key in ("containers", "volumes", "securityContext", "automountServiceAccountToken")}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gansample"}, "spec": pod}
    kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("name", ["Containerfile.cpu", "Containerfile.gpu"])
def test_the_image_is_pinned_unprivileged_and_without_an_installer(name: str) -> None:
    """hadolint (make check) reads the rest of it."""
    text = (DEPLOY / name).read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.M)
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases), "each base by its whole version"
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.M)
    assert "pip install" not in last
    assert "apt-get" not in last
    assert "pip uninstall" in last
    assert "-c requirements.lock" in text


@pytest.mark.slow
def test_what_the_image_installs_serves_in_a_read_only_root(tmp_path: Path) -> None:
    """The packages as the image installs them, the pod's own words and probes, and nothing to write to but /tmp."""
    (install,) = re.findall(r"pip install (?:--\S+ )*(.*?) \\\n &&", (DEPLOY / "Containerfile.cpu").read_text(), re.S)
    venv.create(tmp_path / "image", with_pip=True)
    python = tmp_path / "image" / "bin" / "python"
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *shlex.split(install)], check=True, cwd=ROOT, timeout=400)
    subprocess.run([*pip, "uninstall", "--yes", "pip"], check=True, timeout=100)
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0
    (container,) = POD["containers"]
    port, token = free_port(), "a token of this test"
    serve = [str(tmp_path / "image" / "bin" / "gan"), *container["args"], "--port", str(port)]
    environment = {"GAN_SERVE_TOKEN": token, "XDG_CACHE_HOME": "/tmp/cache", "PATH": "/usr/bin:/bin"}
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--mount", "true"], check=False).returncode:
        pytest.skip("NOT RUN: only root may have a file system of its own")
    # /tmp of its own would hide this environment, which lies there; so it stays, and all else becomes read-only.
    readonly = "mount --bind /tmp /tmp && mount --bind / / && mount --rbind /tmp /tmp && mount -o remount,ro,bind / && "
    check = "! touch /usr/here 2>/dev/null && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "
    script = readonly + check + shlex.join(serve)
    log = tmp_path / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen([unshare, "--mount", "sh", "-c", script], cwd="/srv", env=environment, stderr=file)
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while not _answers(f"{url}{container['startupProbe']['httpGet']['path']}"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        assert _answers(f"{url}{container['livenessProbe']['httpGet']['path']}")
        assert httpx.get(f"{url}/v1/images/7.png").status_code == 401
        answer = httpx.get(f"{url}/v1/images/7.png", headers={"Authorization": f"Bearer {token}"})
        assert answer.headers["content-type"] == "image/png"
    finally:
        process.terminate()
        assert process.wait(40) in (0, 143, -15)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
