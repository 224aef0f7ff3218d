"""Teams: who belongs to them, and what they may reach."""
