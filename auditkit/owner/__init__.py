"""The owner's side: the model, its natural samples, quick copies and stand-ins (needs torch)."""
