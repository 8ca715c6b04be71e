"""What limits cost: in memory beside the hash of a key, shared exactly beside shared by leases.

`python -m benchmarks.limits` starts a Redis server of its own, runs each pair in turns and prints the ratios, in
medians of rounds, and the longest that a single call took while leases were renewed.
"""
