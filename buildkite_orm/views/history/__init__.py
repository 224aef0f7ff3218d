"""The builds of a pipeline over time: how long they took and waited, and how many failed."""
