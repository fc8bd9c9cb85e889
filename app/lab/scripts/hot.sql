-- The same, but every posting debits one and the same merchant, whose account is deferred.
\set n :n + 1
\set store random(1, 400)
\set debit (1 << 60) | (3000001 << 4)
\set credit (random(1, :savers) << 4) | 8
SELECT * FROM ledger_post(true, now(), ARRAY['sto_' || :store || ':' || :run || ':' || :client_id || ':' || :n || '-earn'], ARRAY['earn'], ARRAY[:digest::bytea], ARRAY[now()], ARRAY[NULL::jsonb], NULL, ARRAY[NULL::text], ARRAY[1], ARRAY[:debit::bigint], ARRAY[:credit::bigint], ARRAY[10::bigint]);
