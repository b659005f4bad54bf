"""From a bundle to a running TensorRT engine: cached, or built here and checked before its first use."""

import logging

from gansample.bundle.goldens import check_goldens, read_goldens
from gansample.bundle.onnx_check import check_onnx
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable
from gansample.runtimes.cuda_device import Cuda
from gansample.runtimes.cuda_graphs import max_batch
from gansample.runtimes.styles import with_mapping
from gansample.runtimes.tensorrt.engine import FLAGS, Engine, build_engine
from gansample.runtimes.tensorrt.engine_cache import CachedEngine, EngineCache, EngineKey
from gansample.runtimes.tensorrt.layers import check_precision
from gansample.runtimes.tensorrt.library import load_library
from gansample.runtimes.tensorrt.runner import TensorRTRunner

logger = logging.getLogger(__name__)


def open_tensorrt(
    bundle: Bundle, variant: Variant, cache: EngineCache | None = None, *, backend: str = "tensorrt"
) -> TensorRTRunner:
    """The runner for one ONNX variant of `bundle` on TensorRT or, as backend tensorrt-rtx, on TensorRT for RTX.

    The first time on a GPU, after a new driver or TensorRT, or for a new model, the engine is built (the log says why, and the
    progress), its layers' precision is read back, and it must draw the bundle's goldens; only then it is kept. A plan is
    executable code: none is ever taken from the bundle.

    Needs a GPU (see `require_gpu`). Raises BackendUnavailable without TensorRT, ParityError where the engine is not what was
    asked for.
    """
    library, cuda = load_library(backend), Cuda()
    cache = cache if cache is not None else EngineCache()
    onnx = bundle.read(variant.files[0])
    check_onnx(onnx, str(bundle.path))
    largest = max_batch(bundle.spec)
    key = EngineKey.from_onnx(
        onnx, cuda.gpu(), tensorrt=library.key, precision=variant.precision, max_batch=largest, flags=FLAGS
    )

    def runner(engine: Engine) -> TensorRTRunner:
        return TensorRTRunner(engine, bundle.spec, cuda, variant=variant.name)

    match cache.load(key):
        case CachedEngine(plan):
            try:
                return runner(Engine(library, plan, cache.load_kernels(key)))
            except BackendUnavailable as error:
                reason = str(error)
        case str(why):
            reason = why
    logger.info("building an engine with %s, once for this GPU (%s)", library.name, reason)
    goldens = read_goldens(bundle)
    timings = b"" if library.for_rtx else cache.load_timings(key)
    built = build_engine(library, onnx, bundle.spec, max_batch=largest, timings=timings)
    if built.timings:
        cache.store_timings(key, built.timings)
    engine = Engine(library, built.plan)
    layers = engine.layers()
    if layers.layers or not library.for_rtx:  # whose inspector may tell nothing: its kernels do not exist before they run
        check_precision(layers, variant.precision)
    opened = runner(engine)
    try:
        fidelity = check_goldens(with_mapping(opened, bundle), goldens, variant.precision)
        cache.store(key, built.plan, {"verdict": "PASS", "layers": layers.to_dict(), "goldens": fidelity.to_dict()})
        if library.for_rtx:
            cache.store_kernels(key, engine.kernels())
    except BaseException:
        opened.close()
        raise
    logger.info(
        "engine ready: %d of %d layers in half precision, goldens within the %s gate",
        layers.half, layers.layers, variant.precision,
    )  # fmt: skip
    return opened
