"""How models are trained: reference models, shadow models, copies."""
