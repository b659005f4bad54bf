"""`gan sign` and `gan verify --signed`: with a key, without a network; whatever was changed after signing is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gansample.bundle.open import open_bundle
from gansample.bundle.seal import KEY, sealed
from gansample.bundle.signature import SIGNATURE, check_signature
from tests.support.processes import Command

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # sigstore's own affair


def make_key(folder: Path, name: str, *, password: bytes | None = None) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder, "mine")
    make_key(folder, "theirs")
    make_key(folder, "locked", password=b"open sesame")
    rsa_key = rsa.generate_private_key(65537, 2048)
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "rsa.pem").write_bytes(rsa_key.private_bytes(pem, pkcs8, plain))
    (folder / "noise.pem").write_text("no key at all\n")
    return folder


def gan(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gansample.cli.gan", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def signed(tiny_bundle: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle. Shared: copy it before changing it."""
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("signed") / "tiny"))
    done = gan("sign", bundle, "--key", keys / "mine.pem")
    assert (done.returncode, done.stderr) == (0, "")
    assert "tiny: signed" in done.stdout
    return bundle


def test_a_signed_bundle_verifies_and_says_by_whom(signed: Path, keys: Path) -> None:
    done = gan("verify", signed, "--signed", keys / "mine.pub", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"], report["signed_by"]) == (0, "PASS", str(keys / "mine.pub"))
    assert "signed by the holder of" in gan("verify", signed, "--signed", keys / "mine.pub").stdout


def test_another_key_is_refused(signed: Path, keys: Path) -> None:
    done = gan("verify", signed, "--signed", keys / "theirs.pub")
    assert (done.returncode, done.stdout) == (3, "")
    assert "is not what the holder of" in done.stderr


def test_an_unsigned_bundle_is_refused_and_told_how_to_sign(tiny_bundle: Path, keys: Path) -> None:
    done = gan("verify", tiny_bundle, "--signed", keys / "mine.pub")
    assert done.returncode == 3
    assert "is not signed" in done.stderr
    assert "gan sign" in done.stderr


def test_a_forger_who_seals_anew_is_refused(signed: Path, keys: Path, tmp_path: Path) -> None:
    """The seal alone is satisfied with him: this is what a signature is for."""
    forged = Path(shutil.copytree(signed, tmp_path / "tiny"))
    manifest = json.loads((forged / "bundle.json").read_text())
    manifest["name"], manifest[KEY] = "forged", "0" * 64
    (forged / "bundle.json").write_bytes(sealed(json.dumps(manifest, indent=2).encode()))
    assert open_bundle(forged).spec.name == "forged"
    done = gan("verify", forged, "--signed", keys / "mine.pub")
    assert done.returncode == 3
    assert "bundle.json" in done.stderr


@pytest.mark.parametrize("change", ["one bit", "a file more", "a file less", "a link", "the signature", "an empty signature"])
def test_every_change_after_signing_is_refused(signed: Path, keys: Path, tmp_path: Path, change: str) -> None:
    from gansample.errors import ArtefactError

    changed = Path(shutil.copytree(signed, tmp_path / "tiny"))
    check_signature(changed, keys / "mine.pub")
    golden, signature = changed / "golden.npz", changed / SIGNATURE
    match change:
        case "one bit":
            data = bytearray(golden.read_bytes())
            data[len(data) // 2] ^= 1
            golden.write_bytes(data)
        case "a file more":
            (changed / "sitecustomize.py").write_text("print('hello')\n")
        case "a file less":
            golden.unlink()
        case "a link":
            golden.rename(tmp_path / "elsewhere")
            golden.symlink_to(tmp_path / "elsewhere")
        case "the signature":
            signature.write_text(signature.read_text().replace("A", "B", 5))
        case "an empty signature":
            signature.write_text("")
    with pytest.raises(ArtefactError, match="signed"):
        check_signature(changed, keys / "mine.pub")


def test_a_damaged_bundle_is_not_signed(tiny_bundle: Path, keys: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))
    data = bytearray((bundle / "generator.onnx").read_bytes())
    data[40] ^= 1
    (bundle / "generator.onnx").write_bytes(data)
    done = gan("sign", bundle, "--key", keys / "mine.pem")
    assert done.returncode == 3
    assert not (bundle / SIGNATURE).exists()


def test_a_key_with_a_password(tiny_bundle: Path, keys: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))
    assert gan("sign", bundle, "--key", keys / "locked.pem").returncode == 2
    (tmp_path / "password").write_text("open sesame\n")
    assert gan("sign", bundle, "--key", keys / "locked.pem", "--password-file", tmp_path / "password").returncode == 0
    check_signature(bundle, keys / "locked.pub")


@pytest.mark.parametrize("key", ["rsa.pem", "noise.pem", "missing.pem", "mine.pub"])
def test_what_is_no_key_is_told_with_how_to_make_one(tiny_bundle: Path, keys: Path, tmp_path: Path, key: str) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))
    done = gan("sign", bundle, "--key", keys / key)
    assert done.returncode == 2
    assert "openssl ecparam" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bundle / SIGNATURE).exists()


def test_a_lone_file_is_signed_beside_itself(tiny_bundle: Path, keys: Path, tmp_path: Path) -> None:
    model = Path(shutil.copy(tiny_bundle / "generator.onnx", tmp_path / "g.onnx"))
    assert gan("sign", model, "--key", keys / "mine.pem").returncode == 0
    assert (tmp_path / "g.onnx.sig").is_file()
    check_signature(model, keys / "mine.pub")


def test_a_signed_bundle_still_draws(signed: Path, gansample: Command) -> None:
    assert gansample("--bundle", signed, "--n", 4, "out.png").returncode == 0


def test_a_single_file_is_signed_and_verified(tiny_bundle: Path, keys: Path, tmp_path: Path) -> None:
    """It carries no goldens, so its pictures are NOT RUN; that the signature holds is what was asked."""
    alone = Path(shutil.copy(tiny_bundle / "generator.onnx", tmp_path / "alone.onnx"))
    assert gan("sign", alone, "--key", keys / "mine.pem").returncode == 0
    done = gan("verify", alone, "--signed", keys / "mine.pub")
    assert (done.returncode, done.stderr) == (0, "")
    assert "signed by the holder of" in done.stdout
    assert "verdict: NOT RUN, a single file carries no goldens" in done.stdout
    assert gan("verify", alone, "--signed", keys / "theirs.pub").returncode == 3
    assert gan("verify", alone).returncode == 3, "nothing but the seal was checked"
    alone.write_bytes(alone.read_bytes().replace(b"gansample.spec", b"gansample.spek"))
    assert gan("verify", alone, "--signed", keys / "mine.pub").returncode == 3
