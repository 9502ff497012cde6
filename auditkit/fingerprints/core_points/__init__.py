"""Parts of DeepCore: its settings and candidates, and the judgement on its points."""
