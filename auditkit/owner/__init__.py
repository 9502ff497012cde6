"""The owner's side (needs torch): the model, its samples, and other models made from them."""
