"""Other systems with API keys, answering the same question over HTTP: is this key valid, and may it read links?"""
