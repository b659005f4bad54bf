"""Take anything: whatever file holds a trained generator, it ends as a `Face` with a list of what was found out about it.

weights.py             any torch or safetensors file -> tensors, without ever unpickling
state_dict.py          which of the dictionaries in it is the generator, without its prefixes
recognise.py           a chain of layers from names, shapes and BatchNorm statistics alone: no class needed
from_class.py          the user's own class, its constructor's arguments inferred from the tensors
from_onnx.py           a foreign ONNX graph as a PyTorch module
from_torchscript.py    a TorchScript program as a PyTorch module
probe.py               which latent, label and picture forms the module wants, found by trying
traps.py               what is wrong with the pictures, measured
take.py                all of it in order
"""
