"""`gan verify`: the verdict on a bundle on this machine, printed and as an exit code."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from gansample.bundle.basis import format_basis, grade, verdict_line
from gansample.bundle.open import Bundle, open_bundle
from gansample.cli.info import format_steps, short_reason
from gansample.cli.log import log_to_stderr
from gansample.errors import BackendUnavailable, ParityError, UsageError
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.sampling.verify import Check, check_digests, check_variants


def verify_bundle(
    bundle: Path | None, *, signed: Path | None, report: Path | None, minutes: float | None, threads: int | None, as_json: bool
) -> None:
    """Check digests, signature and every variant, and print what came out.

    Raises ArtefactError for what is damaged or not signed, ParityError where a variant draws other pictures, and
    BackendUnavailable where nothing ran (with a report: where something did not).
    """
    started = time.perf_counter()
    opened = open_bundle(bundle)
    if signed is not None:
        from gansample.bundle.signature import check_signature

        check_signature(opened.path, signed)
        opened = open_bundle(opened.path)  # what was read before may not be what was signed
    files = check_digests(opened)
    log_to_stderr("gan")
    alone = signed is not None and report is None and not opened.path.is_dir()  # one file has no goldens, and may be signed
    checks = [] if alone else list(_checks(opened, threads, report, minutes))
    failed = [check for check in checks if check.verdict == "FAIL"]
    ran = [check for check in checks if check.verdict != "NOT RUN"]
    verdict = "FAIL" if failed else "PASS" if ran else "NOT RUN"
    seconds = time.perf_counter() - started
    exported = opened.variants[0].parity
    at_export = verdict_line(exported.get("verdict", "NOT RUN"), opened.spec.basis, exported)
    if as_json:
        document = {
            "bundle": str(opened.path),
            "model_sha256": opened.sha256,
            "verdict": verdict,
            "grade": grade(verdict, opened.spec.basis),
            "at_export": at_export,
            "basis": opened.spec.basis.to_dict() if opened.spec.basis is not None else None,
            "reference": opened.reference,
            "files": files,
            "signed_by": str(signed) if signed is not None else None,
            "variants": [check.to_dict() for check in checks],
            "seconds": round(seconds, 3),
        }
        print(json.dumps(document))
    else:
        by = f", signed by the holder of {signed}" if signed is not None else ""
        print(f"{opened.spec.name}: {files} files as they were exported{by} ({opened.path}, {seconds:.1f} s)")
        if checks:
            print("\n".join(dict.fromkeys(_format_check(check) for check in checks)))  # all that no GPU runs is one line
        compared = max((seen.images for check in checks for seen in check.by_batch.values()), default=0)
        here = grade(verdict, opened.spec.basis) + (
            f" over {compared} goldens, the pictures of {opened.reference}" if compared else ""
        )
        if alone:
            here += ", a single file carries no goldens: the pictures are checked with the bundle's folder"
        print("\n  ".join([f"verdict: {here}", f"at export: {at_export}", *format_basis(opened.spec.basis)]))
    if failed:
        names = ", ".join(check.variant.name for check in failed)
        hint = "gan doctor" if report is None else str(report)
        raise ParityError(
            f"{names} does not draw the pictures of {failed[0].variant.reference} here", f"do not use it here, see: {hint}"
        )
    if report is not None and (missing := [check for check in checks if check.verdict == "NOT RUN"]):
        names = ", ".join(f"{check.variant.name} on {check.backend}" for check in missing)
        raise BackendUnavailable(f"{names} did not run on this machine", f"see: {report}")
    if not ran and not alone:
        raise BackendUnavailable("no variant of this bundle can run here, nothing was verified", "see: gan doctor")


def _checks(bundle: Bundle, threads: int | None, report: Path | None, minutes: float | None) -> Iterator[Check]:
    """The checks of every variant; with a report, measured as well and written down after each step."""
    if report is None:
        if minutes is not None:
            raise UsageError("--minutes is the time for a report", "add --report FILE.md")
        yield from check_variants(bundle, threads)
        return
    from gansample.sampling.report.page import machine_facts, markdown
    from gansample.sampling.report.run import MINUTES, measure_bundle
    from gansample.system.atomic import cannot_write, write_atomic

    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(report, error) from error
    facts = machine_facts()
    rows = measure_bundle(
        bundle,
        lambda rows: write_atomic(report, markdown(bundle, facts, rows).encode()),
        threads=threads,
        seconds=(minutes or MINUTES) * 60,
    )
    yield from (row.check(bundle.variant(row.variant)) for row in rows)


def _format_check(check: Check) -> str:
    if check.verdict == "NOT RUN":
        name = check.backend if check.backend in GPU_BACKENDS else check.variant.name
        return f"  {name:16} NOT RUN  {short_reason(check.reasons)}"
    line = f"  {check.variant.name:16} {check.verdict:8}"
    if (seen := check.worst) is not None:
        decibels = "identical" if seen.identical == 1 else f"{seen.psnr_db:.1f} dB"
        line += f"{check.backend}: {decibels}, max {format_steps(seen.max_step)}, {seen.identical:.3%} of the pixels identical"
    return line + "".join(f"\n{'':27}{reason}" for reason in check.reasons)
