"""Usage: how often keys were used, for what, and refused why."""
