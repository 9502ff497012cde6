"""What reference models make of a suspect's answers: scores, p-values, likelihood ratios."""
