"""Networks that many people have, recognised by the names and shapes of all their tensors: no class needed, nothing guessed.

One file a family, written from its paper. A file of weights belongs to a family only if every tensor has the name and the shape
that the family's own network gives it. What no tensor holds (an activation, a number of groups) is that of the configuration
beside the weights or of the family's published definition, and each such fact says so.
"""
