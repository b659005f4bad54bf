"""The backends' names. Only the standard library, so that a command line can check them before anything is loaded."""

GPU_BACKENDS = ("cuda", "tensorrt", "tensorrt-rtx")  # all run the bundle's ONNX variants
BACKENDS = ("auto", "onnxruntime", "openvino", *GPU_BACKENDS)
BACKEND_OF = {
    "onnxruntime-cpu": "onnxruntime",
    "openvino-cpu": "openvino",
    "onnxruntime-cuda": "cuda",
    "tensorrt-gpu": "tensorrt",
    "tensorrt-rtx-gpu": "tensorrt-rtx",
}  # what a runner reports -> what --backend takes
