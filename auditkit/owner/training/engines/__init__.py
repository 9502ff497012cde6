"""Where several trainings run at once: each engine is one file with the function `results`."""
