"""Merchants of the district: stores, terminals, cashiers, contract terms, and its staff."""
