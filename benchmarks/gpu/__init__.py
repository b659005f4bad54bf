"""This project and PyTorch on one machine's GPU, with DCGAN-64, in one file: `make test-gpu`.

pytorch        PyTorch's ways to draw, as runners that the same code measures as the engines
training       a training step
page           the file as a page
"""
