"""Real model servers, each in an environment of its own: `make test-servers`."""
