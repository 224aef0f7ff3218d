"""Records as the API tells them, one module per area."""
