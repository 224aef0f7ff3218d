"""Data for other tools: tables of objects, and the change feed of builds."""
