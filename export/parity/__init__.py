"""Parity: does the exported model draw what PyTorch draws?"""
