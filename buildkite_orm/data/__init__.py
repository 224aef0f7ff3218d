"""Data for other tools: the change feed of builds."""
