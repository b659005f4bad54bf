"""Graph passes: other nodes, the same pictures. Each is proven in float64 and kept only where it is measured to pay."""
