"""One file for each kind of input, with one public `HARNESS`."""
