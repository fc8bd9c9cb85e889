-- The balance of one of many accounts.
\set lot (random(1, :savers) << 4) | 8
SELECT * FROM ledger_balances(ARRAY[:lot::bigint]);
