"""The files of a model: their names, formats and selection."""
