"""What `acme` has besides its pipelines, one module per area."""
