"""Resources: what a workspace declares for its own API, so that keys can be scoped to it."""
