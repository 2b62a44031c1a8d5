"""The transfer against its peers and its limits, on one machine: `make bench`."""
