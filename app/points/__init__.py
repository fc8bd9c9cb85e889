"""Points: the policy over the ledger. Earning rules, burn limits, lots and what becomes of them."""
