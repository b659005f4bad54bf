"""The two networks, their losses, and what is done to their inputs and weights."""
