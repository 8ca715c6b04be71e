"""The workspace itself: its name, key prefix, plan and policies."""
