"""What a role costs: the same questions asked in hand-written SQL and through Bitting, side by side.

Both run on one connection, by the same call, in turns; what counts is the ratio of the two, in medians of rounds.
Before anything is timed, both have to give the same answer.

`python -m benchmarks.roles` loads a million orders into a database of its own, once for each database and each way of
keeping them: *managed* (Bitting's `records` table) and *attached* (a typed table of somebody else's).
"""
