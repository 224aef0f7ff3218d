"""The seeds of `acme`, one module per area.

Each has a function `populate(context, acme)`, and names in `AFTER` the modules that must run before it.
"""
