"""Bedrock's rules, as data, and the models, jobs and quotas of an account."""
