"""The builds of a pipeline over time: durations, queue times and failure rates."""
