"""Compares the transfer with its peers and its limits, on one machine: `make bench`."""
