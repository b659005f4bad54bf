"""A bundle as a model repository for NVIDIA's Triton Inference Server: `gan export-triton BUNDLE OUT`.

config.py      the text of a config.pbtxt
repository.py  the folders and files around it
model.py       copied into the repository: seeds in, pictures out, drawn by gansample in Triton's Python backend
replay.py      copied beside it: sends the goldens to a server through HTTP and gRPC, and gives a verdict
"""
