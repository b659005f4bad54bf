"""A model bundle on disk: opened, described, sealed, signed, and the goldens it is checked by."""
