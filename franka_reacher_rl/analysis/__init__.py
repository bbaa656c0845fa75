"""Statistics, plots and reports of finished experiments."""
