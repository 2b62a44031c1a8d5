"""The template deployed to the local AWS, and its executions."""
