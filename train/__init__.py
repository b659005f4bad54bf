"""torch. A data set in, a checkpoint out: `python -m train`."""
