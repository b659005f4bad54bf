"""A bundle as a model repository for NVIDIA's Triton Inference Server: `gan export-triton BUNDLE OUT`.

config.py      what a config.pbtxt says
repository.py  the folders and files around it
model.py       copied into the repository: seeds in, pictures out, drawn by gansample inside Triton's Python backend
replay.py      copied beside it: sends the goldens to a server through HTTP and gRPC, and gives a verdict
"""
