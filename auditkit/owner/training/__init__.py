"""Training of reference models, copies and siblings."""
