"""One copy and one innocent, wrapped in every way that suspects come in, through every carrier."""
