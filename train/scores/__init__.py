"""How good the pictures are: distances in a classifier's features, each beside what real pictures get."""
