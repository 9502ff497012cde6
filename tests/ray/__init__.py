"""On a Ray cluster of two nodes on this machine: `make test-ray`."""
