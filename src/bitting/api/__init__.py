"""What the routes of every room share: the route class, bodies, pages, ETags, answers."""
