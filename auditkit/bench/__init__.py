"""Which method tells copies from innocents, measured on models of known kind."""
