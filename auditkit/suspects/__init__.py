"""One suspect is examined."""
