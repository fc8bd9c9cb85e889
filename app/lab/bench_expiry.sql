-- Members with four lots each, of four merchants, a hundred points in each: two are over in
-- November 2017, two in December. Their numbers follow those of the district's own accounts.
CREATE TEMP TABLE size AS
SELECT current_setting('bench.members')::bigint AS members,
       (SELECT coalesce(max(id), 0) FROM wallet) AS wallets,
       (SELECT max((id >> 4) & ((1::bigint << 40) - 1)) FROM account) AS accounts;
CREATE TEMP TABLE issuer AS
SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, issued_account_id,
       count(*) OVER () AS issuers FROM merchant;
INSERT INTO wallet (owner) SELECT 'mem_bench' || g FROM size, generate_series(1, members) g ORDER BY g;
INSERT INTO member (public_id, wallet_id, card_number, kind, source, joined_at, key_version)
SELECT w.owner, w.id, substr(w.owner, 5), 'registered', 'import', '2016-01-01', 1
FROM wallet w, size WHERE w.id > size.wallets ORDER BY w.id;
CREATE TEMP TABLE wanted AS
SELECT ((size.accounts + (w.id - size.wallets) * 4 + k) << 4) | 8 AS id, m.id AS member_id,
       m.public_id, w.id AS wallet_id, i.id AS issuer_id, i.issued_account_id, k,
       CASE WHEN k < 2 THEN date '2017-11-30' ELSE date '2017-12-31' END AS expires_on
FROM size, wallet w JOIN member m ON m.wallet_id = w.id
CROSS JOIN generate_series(0, 3) k
JOIN issuer i ON i.place = (w.id * 4 + k) % i.issuers
WHERE w.id > (SELECT s.wallets FROM size s);
INSERT INTO account (id, name, code, wallet_id)
SELECT id, concat_ws(':', 'lot', public_id, issuer_id, expires_on, '1/1', '9/10', 'anywhere',
                     'active', 'earned'), 'lot', wallet_id
FROM wanted ORDER BY id;
INSERT INTO account_balance (account_id, posted, version, floor)
SELECT id, 100, 1, 0 FROM wanted ORDER BY id;
INSERT INTO lot (account_id, member_id, issuer_id, kind, expires_on, cost_num, cost_den,
                 redemption_num, redemption_den, first_earned_at)
SELECT id, member_id, issuer_id, 'lot', expires_on, 1, 1, 9, 10,
       (expires_on - 380)::timestamp AT TIME ZONE 'Asia/Shanghai'
FROM wanted ORDER BY id;
SELECT setval('account_number', (SELECT max(id) >> 4 FROM wanted) + 1);

-- What they own, as earned: a journal a member.
WITH earned AS (
    INSERT INTO journal (key, kind, digest, occurred_at, booked_on)
    SELECT public_id || ':earn', 'earn', '', '2016-12-01', (SELECT first_open_day FROM book)
    FROM wanted WHERE k = 0 ORDER BY id
    RETURNING id, key, booked_on
)
INSERT INTO transfer (journal_id, line, booked_on, debit_id, credit_id, amount)
SELECT e.id, w.k + 1, e.booked_on, w.issued_account_id, w.id, 100
FROM earned e JOIN wanted w ON w.public_id || ':earn' = e.key;
