-- The balance of one of many accounts.
\set lot (random(1, 20000) << 4) | 8
SELECT * FROM ledger_balances(ARRAY[:lot::bigint]);
