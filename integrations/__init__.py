"""The outside world in our words; no database, no app."""
