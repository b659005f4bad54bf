"""The backends' names. Only the standard library, so that a command line can check them before anything is loaded."""

GPU_BACKENDS = ("cuda", "tensorrt")  # both run the bundle's ONNX variants
BACKENDS = ("auto", "onnxruntime", "openvino", *GPU_BACKENDS)
BACKEND_OF = {
    "onnxruntime-cpu": "onnxruntime",
    "openvino-cpu": "openvino",
    "onnxruntime-cuda": "cuda",
    "tensorrt-gpu": "tensorrt",
}  # what a runner reports -> what --backend takes
