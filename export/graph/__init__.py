"""From a module to an ONNX graph, and what makes the graph better without changing a picture."""
