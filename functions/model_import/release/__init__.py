"""Starts one import for each release on the Hub that the policy accepts."""
