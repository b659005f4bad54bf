"""Who made this bundle: a signature over every file of it, in OpenSSF's model-signing format, with a key and without a network.

    gan sign artifacts/digits --key key.pem                 writes artifacts/digits/model.sig
    gan verify artifacts/digits --signed key.pub            exit code 3 unless that key signed exactly these files

The seal in a manifest guards against damage; a signature guards against whoever can rewrite the file and seal it anew. The
format is an in-toto statement in a Sigstore bundle: the tools of https://github.com/sigstore/model-transparency read it too.
"""

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from gansample.errors import ArtefactError, BackendUnavailable, UsageError
from gansample.system.atomic import write_atomic

SIGNATURE = "model.sig"
MAKE_A_KEY = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem && openssl ec -in key.pem -pubout -out key.pub"


def sign(model: Path, key: Path, password: str | None = None) -> Path:
    """Sign every file of a bundle's folder (or one .onnx file) with an elliptic-curve key in PEM; returns the signature's path.

    Raises UsageError for a key that cannot be used, OutputError where the signature cannot be written.
    """
    _check_key(key)
    signature = signature_path(model)
    signing = _library("signing")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / SIGNATURE
        try:
            # Annotated as str, and handed on as it is to cryptography, which takes bytes (model-signing 1.1.1).
            secret = password.encode() if password is not None else None
            config = signing.Config().use_elliptic_key_signer(private_key=key, password=secret)
            config.set_hashing_config(_hashing()).sign(model, made)
        except (ValueError, TypeError, AttributeError) as error:  # a key of another kind, or a password missing or wrong
            raise UsageError(f"{key} cannot sign ({_first_line(error)})", f"make a key with: {MAKE_A_KEY}") from None
        write_atomic(signature, made.read_bytes())
    return signature


def check_signature(model: Path, key: Path) -> None:
    """Raises ArtefactError unless the holder of `key` (public, PEM) signed exactly these files: none changed, more or fewer."""
    _check_key(key)
    signature = signature_path(model)
    if not signature.is_file():
        raise ArtefactError(f"{model} is not signed, it has no {signature.name}", f"sign it: gan sign {model} --key key.pem")
    verifying = _library("verifying")
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
        config.set_hashing_config(_hashing()).verify(model, signature)
    except OSError as error:
        raise ArtefactError(f"cannot read {error.filename} ({error.strerror})", "check the files' permissions") from None
    except Exception as error:  # whatever a forged file makes of the parsers: it is not signed
        raise ArtefactError(f"{model} is not what the holder of {key} signed ({_first_line(error)})", "do not use it") from None


def signature_path(model: Path) -> Path:
    return model / SIGNATURE if model.is_dir() else model.with_name(f"{model.name}.sig")


def _hashing() -> Any:
    """Everything but the signature itself; a link could lead out of the folder, and is refused."""
    config = _library("hashing").Config()
    return config.set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False).set_allow_symlinks(False)


def _library(part: str) -> Any:
    try:
        return import_module(f"model_signing.{part}")
    except ModuleNotFoundError as error:
        raise BackendUnavailable(f"{error.name} is not installed", "pip install 'gansample[sign]'") from None


def _check_key(key: Path) -> None:
    if not key.is_file():
        raise UsageError(f"no key at {key}", f"make one with: {MAKE_A_KEY}")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
