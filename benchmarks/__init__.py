"""Benchmarks and long simulations. Each is a command, such as `python -m benchmarks.soak`."""
