"""Double-entry books; they know accounts and units, not members or shops."""
