"""Package registries, their tokens and their packages."""
