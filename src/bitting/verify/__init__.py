"""From a credential to a decision: who is asking, and is a key valid."""
