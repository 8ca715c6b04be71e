"""What a verification out of memory costs."""
