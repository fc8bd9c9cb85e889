-- A burn as a whole transaction: lock the wallet, read its twenty lots, post from the oldest.
\set n :n + 1
\set store random(1, 400)
\set member random(1, :burners)
\set wallet :savers + :member
\set points random(1, 500)
\set credit (1 << 60) | ((3000000 + :store) << 4)
BEGIN;
SELECT ledger_lock_wallet(:wallet, now());
SELECT array_agg(account_id ORDER BY account_id) AS lots, array_agg(least(free, :points - before) ORDER BY account_id) AS takes, array_agg(:credit::bigint) AS credits, array_agg(1) AS ones FROM (SELECT b.account_id, b.posted - b.held AS free, coalesce(sum(b.posted - b.held) OVER (ORDER BY b.account_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS before FROM account a JOIN account_balance b ON b.account_id = a.id WHERE a.wallet_id = :wallet) lot WHERE free > 0 AND before < :points \gset
SELECT * FROM ledger_post(true, now(), ARRAY['sto_' || :store || ':' || :run || ':' || :client_id || ':' || :n || '-burn'], ARRAY['burn'], ARRAY[:digest::bytea], ARRAY[now()], ARRAY[NULL::jsonb], NULL, ARRAY[NULL::text], :ones::int[], :lots::bigint[], :credits::bigint[], :takes::bigint[]);
END;
