"""What a page of the console costs beside the calls of the API that feed it."""
