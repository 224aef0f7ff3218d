"""Objects: their data and identity, and how payloads become objects."""
