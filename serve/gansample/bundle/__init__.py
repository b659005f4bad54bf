"""A model bundle on disk.

open           a bundle's manifest and files, digests checked
spec           what the generator takes and gives, and its variants
seal           a digest inside the file that it guards
signature      who made the bundle
receipts       what a manifest says of parity and speed
goldens        pictures that any runtime must draw
fidelity       the distance between pictures, and the gates
onnx_metadata  the spec inside an ONNX file
onnx_check     what a graph may do, before a runtime sees it; openvino_check: the same for OpenVINO's files
protobuf       the format of ONNX files
"""
