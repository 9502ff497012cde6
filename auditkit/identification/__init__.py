"""One file per way to weigh a suspect's answers."""
