"""ONNX Runtime on WebGPU: any vendor's GPU, through Vulkan, Direct3D 12 or Metal."""
