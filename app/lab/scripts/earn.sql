-- An earn as a whole transaction, of one statement: find the member's lot (every other time: open
-- it), post into it.
\set n :n + 1
\set store random(1, 400)
\set member random(1, :savers)
\set known (:member << 4) | 8
\set debit (1 << 60) | ((3000000 + :store) << 4)
SELECT p.* FROM ledger_open_accounts(ARRAY[CASE WHEN :n % 2 = 0 THEN 'bench:' || :known ELSE 'lot:' || :member || ':' || :store || ':' || :run || ':' || :client_id || ':' || :n END], ARRAY['lot'], ARRAY[0], ARRAY[true], ARRAY[:member::bigint], ARRAY[0::bigint], ARRAY[NULL::bigint]) lot, LATERAL ledger_post(true, now(), ARRAY['sto_' || :store || ':' || :run || ':' || :client_id || ':' || :n || '-earn'], ARRAY['earn'], ARRAY[:digest::bytea], ARRAY[now()], ARRAY[NULL::jsonb], NULL, ARRAY[NULL::text], ARRAY[1], ARRAY[:debit::bigint], ARRAY[lot.account_id], ARRAY[10::bigint]) p;
