"""What merchants owe each other: period close, statements, what is paid (L4, L5)."""
