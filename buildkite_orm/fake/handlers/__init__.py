"""The handlers of the API, one module per area, each with its route table."""
