"""One file per way to show outcomes."""
