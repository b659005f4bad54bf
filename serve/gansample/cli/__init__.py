"""The commands `gansample` and `gan`."""
