"""The backends' names. Only the standard library, so that a command line can check them before anything is loaded."""

NVIDIA_BACKENDS = ("cuda", "tensorrt", "tensorrt-rtx")
GPU_BACKENDS = (*NVIDIA_BACKENDS, "webgpu")  # all run the bundle's ONNX variants
BACKENDS = ("auto", "onnxruntime", "openvino", *GPU_BACKENDS)
BACKEND_OF = {
    "onnxruntime-cpu": "onnxruntime",
    "openvino-cpu": "openvino",
    "onnxruntime-cuda": "cuda",
    "tensorrt-gpu": "tensorrt",
    "tensorrt-rtx-gpu": "tensorrt-rtx",
    "onnxruntime-webgpu": "webgpu",
}  # what a runner reports -> what --backend takes
