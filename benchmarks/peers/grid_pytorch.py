"""The same with PyTorch, from the state dict of the tutorial's DCGAN-64. Usage: WEIGHTS OUT"""

import sys
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import nn

widths = [100, 512, 256, 128, 64, 3]
layers: list[nn.Module] = []
for step, (before, after) in enumerate(pairwise(widths)):
    layers.append(nn.ConvTranspose2d(before, after, 4, *((2, 1) if step else (1, 0)), bias=False))
    layers += [nn.BatchNorm2d(after), nn.ReLU()] if after != 3 else [nn.Tanh()]
generator = nn.Module()
generator.main = nn.Sequential(*layers)
generator.load_state_dict(torch.load(sys.argv[1], weights_only=True))
generator.eval()
latents = np.stack([np.random.RandomState(seed).standard_normal(100) for seed in range(64)]).astype(np.float32)
with torch.no_grad():
    pictures = generator.main(torch.from_numpy(latents)[:, :, None, None]).clamp(-1, 1)
pixels = (pictures * 127.5 + 127.5).round().byte().permute(0, 2, 3, 1).numpy()
grid = pixels.reshape(8, 8, 64, 64, 3).swapaxes(1, 2).reshape(512, 512, 3)
Image.fromarray(grid).save(sys.argv[2])
