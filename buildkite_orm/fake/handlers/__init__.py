"""What the API does, one module per area; each begins with the table of its routes."""
