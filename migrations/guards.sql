-- Who may change what. A row is written once, unless it stands here: the application's role may
-- change these columns, and delete where it says so. Applied anew after each migration that
-- changes this file; the books are written by the ledger's functions alone (ADR 0003).
DO $$ BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA %I FROM plaza_app',
                   current_schema());
END $$;
REVOKE INSERT ON alembic_version FROM plaza_app;

-- News and requests move on; what they say stays.
GRANT UPDATE (state, attempts, next_attempt_at, lease_until, ended_at), DELETE ON outbox TO plaza_app;
GRANT UPDATE (status, decided_by, decided_at) ON change_request TO plaza_app;

-- Merchants and their people.
GRANT UPDATE (name_zh, name_en, status) ON merchant TO plaza_app;
GRANT UPDATE (status) ON store, terminal, cashier, staff TO plaza_app;

GRANT UPDATE (state, valid_until, ended_at) ON store_key TO plaza_app;
GRANT UPDATE (last_step, ended_at) ON staff_credential TO plaza_app;
GRANT UPDATE (seen_at, ended_at, ended_why) ON staff_session TO plaza_app;
GRANT DELETE ON staff_miss TO plaza_app;

-- Members.
GRANT UPDATE (kind, status, tier, tier_until, card_number, phone, phone_index, name, birthday,
              data_key, key_version, merged_into_id) ON member TO plaza_app;
GRANT UPDATE (undone_at, undone_by) ON merge TO plaza_app;
GRANT UPDATE (consent_version, consented_at) ON membership TO plaza_app;
GRANT UPDATE (member_id), DELETE ON cashier_member TO plaza_app;
GRANT DELETE ON channel_identity TO plaza_app;
GRANT UPDATE (undone_at, done_at) ON closing TO plaza_app;
GRANT UPDATE (fetched_at) ON data_export TO plaza_app;

-- Their devices: what is used or ended says when, and is forgotten after its time.
GRANT UPDATE (ended_at, ended_why) ON device_session TO plaza_app;
GRANT UPDATE (ended_at, ended_why), DELETE ON code_seed TO plaza_app;
GRANT UPDATE (used_at), DELETE ON refresh_token TO plaza_app;
GRANT UPDATE (tries, used_at), DELETE ON sign_in_code TO plaza_app;
GRANT DELETE ON code_miss, coupon_miss TO plaza_app;
GRANT UPDATE (confirmed_at, used_at) ON burn_confirmation TO plaza_app;

-- A rule is locked by its row; a trigger of rule_version lets a draft be agreed and a version end.
GRANT UPDATE (name_zh, name_en) ON rule TO plaza_app;
GRANT UPDATE ON rule_version TO plaza_app;

-- Orders are given more time, paid or given up, and refunds move their lines on.
GRANT UPDATE (state, until, member_id, earned_points, parts, slices, homes, earnings, money,
              refunded_fen, refunds, rolled_back_fen, updated_at) ON "order" TO plaza_app;
GRANT UPDATE (burned_fen, earned_points, refunded_fen, refunded_quantity) ON order_line
    TO plaza_app;
GRANT UPDATE (made_good) ON write_off TO plaza_app;
GRANT UPDATE (state, captured_points, captured_fen, order_id, ended_at) ON burn TO plaza_app;
GRANT UPDATE (applied_at, refused_at, refusal) ON parked_refund TO plaza_app;
GRANT UPDATE (taken_at) ON referral_bonus TO plaza_app;

-- An exit is cancelled once.
GRANT UPDATE (cancelled_at, cancel_request_id) ON merchant_exit TO plaza_app;

-- A dispute ends once.
GRANT UPDATE (resolved_at, resolved_by, resolution, adjusted_fen) ON settlement_dispute
    TO plaza_app;

-- A day is run again, and its breaks find an owner and an end; the rows of a bill stay.
GRANT UPDATE (pos_fen, ledger_fen, bill_fen, break_fen, books_fen, run_at) ON reconciliation
    TO plaza_app;
GRANT UPDATE (owner, owned_at, closed_at, closed_by, reason, gone_at) ON recon_break TO plaza_app;

-- Templates, batches and runs of codes end once. Coupons move by the functions of their workshop.
GRANT UPDATE (retired_at) ON coupon_template TO plaza_app;
GRANT UPDATE (closed_at, closed_why) ON coupon_batch TO plaza_app;
GRANT UPDATE (voided_at, voided_why) ON coupon_code_run TO plaza_app;

-- Who leaves a segment is no longer in it.
GRANT DELETE ON segment_member TO plaza_app;

-- What paid orders give ends once.
GRANT UPDATE (ended_at, ended_why) ON pay_gift TO plaza_app;

-- What the mall offers ends once; its stock and takings move by the functions of app/checkout/mall.sql.
GRANT UPDATE (ended_at, ended_why) ON mall_item TO plaza_app;

-- Stored answers and who stands at which till, for as long as they are of use.
GRANT DELETE ON idempotency, identification TO plaza_app;

-- What was paid, and what went back, is for good, whoever asks. But for one thing: an order that was
-- paid by nobody known, and of which nothing went back, gets its member once, with what he earns.
CREATE OR REPLACE TRIGGER paid_for_good
    BEFORE UPDATE OF member_id, state, earned_points, parts, slices, homes, earnings, money ON "order"
    FOR EACH ROW WHEN (CASE
        WHEN OLD.state = 'awaiting_payment' THEN NEW.member_id IS DISTINCT FROM OLD.member_id
        ELSE OLD.state <> 'paid' OR OLD.refunds > 0
            OR OLD.member_id IS NOT NULL OR NEW.member_id IS NULL
            OR (NEW.state, NEW.parts, NEW.money) IS DISTINCT FROM (OLD.state, OLD.parts, OLD.money)
        END)
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER more_time_alone BEFORE UPDATE OF until ON "order"
    FOR EACH ROW WHEN (OLD.state <> 'awaiting_payment' OR NEW.until < OLD.until)
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER ended_for_good BEFORE UPDATE ON burn
    FOR EACH ROW WHEN (OLD.state <> 'authorised') EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER resolved_for_good BEFORE UPDATE ON settlement_dispute
    FOR EACH ROW WHEN (OLD.resolved_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER cancelled_for_good BEFORE UPDATE ON merchant_exit
    FOR EACH ROW WHEN (OLD.cancelled_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER gone_for_good
    BEFORE UPDATE OF refunded_fen, refunded_quantity ON order_line
    FOR EACH ROW WHEN (NEW.refunded_fen < OLD.refunded_fen
                       OR NEW.refunded_quantity < OLD.refunded_quantity)
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER rolled_back_for_good BEFORE UPDATE OF rolled_back_fen ON "order"
    FOR EACH ROW WHEN (NEW.rolled_back_fen < OLD.rolled_back_fen) EXECUTE FUNCTION refuse_change();
