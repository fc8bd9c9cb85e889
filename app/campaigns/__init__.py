"""Campaigns: what the district gives to whom, and who has to agree to it."""
