"""NVIDIA TensorRT: engines built on this machine, verified, cached, run."""
