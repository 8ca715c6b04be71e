"""Schema migrations, applied by `bitting migrate` and on first start."""
