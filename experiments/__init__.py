"""What auditkit measures about itself; every figure in the docs comes from a command in here."""
