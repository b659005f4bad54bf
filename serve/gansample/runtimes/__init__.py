"""Who executes a graph.

backends          their names
open              a variant of a bundle on a backend
base              what the runners share
onnxruntime_module  the one import of ONNX Runtime
onnxruntime_cpu   ONNX Runtime on the CPU, the reference
onnxruntime_cuda  ONNX Runtime on a GPU
openvino_cpu      OpenVINO on the CPU: int8 and bf16
tensorrt/         TensorRT on a GPU: engines built and checked here
cuda_device       a GPU's memory, streams and graphs
cuda_graphs       padding to the batch sizes that are recorded
"""
