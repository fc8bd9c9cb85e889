-- The books that the ledger is measured on. Account numbers (see the id's layout where the table
-- is made): lots of the savers from 1; twenty lots each of the burners from 1,000,000; guarded
-- merchants from 2,000,001; 400 deferred ones from 3,000,001.
CREATE TEMP TABLE size AS SELECT current_setting('bench.savers')::bigint AS savers,
                                 current_setting('bench.burners')::bigint AS burners,
                                 current_setting('bench.merchants')::bigint AS merchants;
INSERT INTO wallet (owner)
SELECT 'w' || g FROM size, generate_series(1, savers + burners) g ORDER BY g;
CREATE TEMP TABLE wanted AS
SELECT (g::bigint << 4) | 8 AS id, 'lot' AS code, g::bigint AS wallet, 0 AS floor
FROM size, generate_series(1, savers) g
UNION ALL
SELECT ((1000000 + (m - 1) * 20 + k)::bigint << 4) | 8, 'lot', savers + m, 0
FROM size, generate_series(1, burners) m, generate_series(0, 19) k
UNION ALL
SELECT (1::bigint << 60) | ((2000000 + g)::bigint << 4) | 8, 'prepaid', NULL, NULL
FROM size, generate_series(1, merchants) g
UNION ALL
SELECT (1::bigint << 60) | ((3000000 + g)::bigint << 4), 'issued', NULL, NULL
FROM generate_series(1, 400) g;
INSERT INTO account (id, name, code, wallet_id)
SELECT id, 'bench:' || id, code, wallet FROM wanted ORDER BY id;
INSERT INTO account_balance (account_id, floor) SELECT id, floor FROM wanted ORDER BY id;
SELECT setval('account_number', 10000000);

-- What the burners own, posted through the front door: 1,000 points in each lot.
SELECT count(*) FROM size, generate_series(1, burners) m, LATERAL ledger_post(
    true, now(), ARRAY['fund:' || m], ARRAY['earn'], ARRAY[''::bytea], ARRAY[now()],
    ARRAY[NULL::jsonb], NULL, ARRAY[NULL::text], array_fill(1, ARRAY[20]),
    array_fill((1::bigint << 60) | (3000001::bigint << 4), ARRAY[20]),
    (SELECT array_agg(((1000000 + (m - 1) * 20 + k)::bigint << 4) | 8) FROM generate_series(0, 19) k),
    array_fill(1000::bigint, ARRAY[20]));
