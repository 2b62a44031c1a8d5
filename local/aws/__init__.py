"""AWS on one machine: moto, mended, with what it lacks."""
