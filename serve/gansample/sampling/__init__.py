"""Which pictures, on which engine.

options        the options about both
selection      seeds, walks, variations, sums and latents from a file
classes        classes by name and number
engine_choice  the engine that finishes first
speed_cache    speeds measured on this machine
sampler        seeds in, pictures out
open_verified  a sampler that has drawn the goldens
verify         every variant against the goldens
report/        the same with a thousand further latents, speed and memory
"""
