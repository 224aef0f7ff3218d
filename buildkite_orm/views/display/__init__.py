"""Tables and cards of objects and listings, for terminals and notebooks."""
