"""What somebody writes in ten minutes: 64 pictures of an ONNX file in a PNG grid. Usage: MODEL OUT"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1])
size = session.get_inputs()[0].shape[1]
z = np.stack([np.random.RandomState(seed).standard_normal(size) for seed in range(64)]).astype(np.float32)
label = {"label": np.arange(64) % 10} if len(session.get_inputs()) > 1 else {}
pictures = session.run(None, {"z": z, **label})[0]
if pictures.dtype != np.uint8:  # a plain export gives what the network gives
    pictures = np.round(np.clip(pictures, -1, 1) * 127.5 + 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
_, height, width, channels = pictures.shape
grid = pictures.reshape(8, 8, height, width, channels).swapaxes(1, 2).reshape(8 * height, 8 * width, channels)
Image.fromarray(grid.squeeze()).save(sys.argv[2])
