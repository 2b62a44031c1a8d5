"""All that is known of a model before its import: verdict, account, forecast."""
