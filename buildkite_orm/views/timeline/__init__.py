"""The jobs of a build over time: waiting, running, blocked, and the critical path."""
