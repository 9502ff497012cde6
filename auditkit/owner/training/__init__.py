"""Training of reference models, shadow models, copies and siblings."""
