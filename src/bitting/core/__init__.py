"""The rules, pure: values and `now` in, values out; no clock, database, HTTP or settings."""
