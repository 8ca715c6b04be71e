"""What the hot calls cost over HTTP, beside an endpoint on the same server that does nothing.

`python -m benchmarks.http` measures `bitting serve`; `python -m benchmarks.http.servers` compares HTTP servers.
"""
