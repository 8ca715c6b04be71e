"""Sessions: people who log in, their passwords, and the links by which they choose one."""
