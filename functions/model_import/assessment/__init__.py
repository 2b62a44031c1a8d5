"""Assesses an import before it starts: verdict, account and forecast."""
