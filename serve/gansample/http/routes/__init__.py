"""What the service answers, one file a family of paths."""
