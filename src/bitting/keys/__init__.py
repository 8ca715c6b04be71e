"""Keys: create, list, read, change, disable, enable, rotate, revoke, explain, verify."""
