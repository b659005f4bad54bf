"""A network recognised from the names and shapes of its weights alone."""
