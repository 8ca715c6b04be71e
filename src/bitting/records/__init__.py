"""Records: what a key reaches of the data itself."""
