"""Package registries: their tokens, and the packages that they keep."""
