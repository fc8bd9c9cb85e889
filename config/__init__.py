"""Prepares the process: settings, database, embedded servers, logging."""
