"""How long after a revocation was answered another process still accepts the key, while both cores are busy."""
