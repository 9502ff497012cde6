"""What all ways over a network share: safe addresses, secrets, one client, wire formats."""
