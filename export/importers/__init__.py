"""Import anything: whatever file holds a trained generator, it becomes an `ExportModel`, with a log of what was found.

request.py             what the user passes and says about it
file_kind.py           which kind of file this is, by its bytes
weights.py             any torch or safetensors file -> tensors, without ever unpickling
foreign_objects.py     objects of other people's classes in it, as plain dictionaries
weights_folder.py      a folder of weights: which file, in how many parts
state_dict.py          which of the dictionaries in it is the generator, without its prefixes
dictionary_names.py    what their names say: averaged, raw, another network
average.py             averaged weights that have no names
name_order.py          the order of the layers where the file does not keep it
import_source.py       a file of somebody's repository as a module
from_class.py          the user's own class; constructor.py infers its arguments from the tensors' shapes
families/              networks that many people have, recognised by all their names and shapes
from_names/            a chain of layers from names, shapes and BatchNorm statistics alone: no class needed
from_onnx.py           a foreign ONNX graph as a PyTorch module
from_torchscript.py    a TorchScript program as a PyTorch module
from_run.py            a training run of this project
probe.py               which latent, label and picture forms a module takes and gives, found by trying
call_signature.py      the adapter that calls it so
checks.py              what is wrong with the pictures, measured
load_generator.py      all of it in order
"""
