"""AWS on one machine: moto with corrections, and the services that it lacks."""
