"""Roles: which data a key or user reaches, grant by grant."""
