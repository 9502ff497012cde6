"""The nouns: what is asked, what was answered, what is decided."""
