-- Points set aside for an order and captured when it is paid; one commit.
\set n :n + 1
\set store random(1, 400)
\set member random(1, :burners)
\set wallet :savers + :member
\set lot ((1000000 + (:member - 1) * 20 + random(0, 19)) << 4) | 8
\set credit (1 << 60) | ((3000000 + :store) << 4)
BEGIN;
SELECT * FROM ledger_place_hold(now(), 'hold:' || :store || ':' || :run || ':' || :client_id || ':' || :n, :digest::bytea, :wallet, now() + interval '15 minutes', ARRAY[:lot::bigint], ARRAY[2::bigint]);
SELECT * FROM ledger_post(true, now(), ARRAY['sto_' || :store || ':' || :run || ':' || :client_id || ':' || :n || '-capture'], ARRAY['burn'], ARRAY[:digest::bytea], ARRAY[now()], ARRAY[NULL::jsonb], NULL, ARRAY['hold:' || :store || ':' || :run || ':' || :client_id || ':' || :n], ARRAY[1], ARRAY[:lot::bigint], ARRAY[:credit::bigint], ARRAY[2::bigint]);
END;
