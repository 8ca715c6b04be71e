"""What a verification costs that has to read the database, beside the driver's own read, and as keys become many.

`python -m benchmarks.cold` loads two databases of each kind, a small one and a large one, asks for keys of both in
turns, and publishes the ratios.
"""
