-- The books that the ledger is measured on. Account numbers (see the id's layout where the table
-- is made): lots of 20,000 members from 1; twenty lots each of 10,000 burners from 1,000,000;
-- 10,000 guarded merchants from 2,000,001; 400 deferred ones from 3,000,001.
INSERT INTO wallet (owner) SELECT 'w' || g FROM generate_series(1, 30000) g ORDER BY g;
CREATE TEMP TABLE wanted AS
SELECT (g::bigint << 4) | 8 AS id, 'lot' AS code, g::bigint AS wallet, 0 AS floor
FROM generate_series(1, 20000) g
UNION ALL
SELECT ((1000000 + (m - 1) * 20 + k)::bigint << 4) | 8, 'lot', 20000 + m, 0
FROM generate_series(1, 10000) m, generate_series(0, 19) k
UNION ALL
SELECT (1::bigint << 60) | ((2000000 + g)::bigint << 4) | 8, 'prepaid', NULL, NULL
FROM generate_series(1, 10000) g
UNION ALL
SELECT (1::bigint << 60) | ((3000000 + g)::bigint << 4), 'issued', NULL, NULL
FROM generate_series(1, 400) g;
INSERT INTO account (id, name, code, wallet_id)
SELECT id, 'bench:' || id, code, wallet FROM wanted ORDER BY id;
INSERT INTO account_balance (account_id, floor) SELECT id, floor FROM wanted ORDER BY id;
SELECT setval('account_number', 10000000);

-- What the burners own, posted through the front door: 1,000 points in each lot.
SELECT count(*) FROM generate_series(1, 10000) m, LATERAL ledger_post(
    true, now(), ARRAY['fund:' || m], ARRAY['earn'], ARRAY[''::bytea], ARRAY[now()],
    ARRAY[NULL::jsonb], NULL, ARRAY[NULL::text], array_fill(1, ARRAY[20]),
    array_fill((1::bigint << 60) | (3000001::bigint << 4), ARRAY[20]),
    (SELECT array_agg(((1000000 + (m - 1) * 20 + k)::bigint << 4) | 8) FROM generate_series(0, 19) k),
    array_fill(1000::bigint, ARRAY[20]));
