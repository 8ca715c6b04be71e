"""Datasets: named sets of records, with their states and typed properties."""
