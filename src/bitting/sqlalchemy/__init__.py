"""Roles and conditions compiled to SQL for SQLite and PostgreSQL."""
