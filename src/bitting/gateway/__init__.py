"""Gateways: which scopes the requests to another API need, and the answer that lets one pass or refuses it."""
