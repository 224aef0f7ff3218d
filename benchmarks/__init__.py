"""What takes longer than a test may, each a command: `python -m benchmarks.soak`."""
