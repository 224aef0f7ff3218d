"""What is set up for an organization as a whole, and who belongs to it."""
