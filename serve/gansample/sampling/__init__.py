"""Which pictures, on which engine."""
