"""The jobs of a build over time: what waited, what ran, what was blocked, and what made it take so long."""
