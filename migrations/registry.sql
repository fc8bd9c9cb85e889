-- The registry: the only table outside the districts' schemas (ADR 0001). Safe to run again.
CREATE TABLE IF NOT EXISTS public.district (
    id text PRIMARY KEY CHECK (id ~ '^[a-z][a-z0-9-]{1,30}$'),
    schema text NOT NULL UNIQUE,
    name text NOT NULL,
    sandbox boolean NOT NULL DEFAULT false,
    clock timestamptz,
    revision bigint NOT NULL DEFAULT 1,
    stopped text,
    created_at timestamptz NOT NULL DEFAULT now(),
    pace integer NOT NULL DEFAULT 1,
    CONSTRAINT only_a_sandbox_has_a_clock CHECK (sandbox OR clock IS NULL),
    CONSTRAINT only_a_sandbox_has_a_pace CHECK (pace = 1 OR (sandbox AND pace > 1))
);
-- How many times the usual limits a store of a sandbox may send: a replay squeezes a year into
-- minutes. Set by the owner role alone, when the district is made.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = 'public.district'::regclass AND attname = 'pace') THEN
        ALTER TABLE public.district
            ADD COLUMN pace integer NOT NULL DEFAULT 1,
            ADD CONSTRAINT only_a_sandbox_has_a_pace CHECK (pace = 1 OR (sandbox AND pace > 1));
    END IF;
END $$;
REVOKE ALL ON public.district FROM PUBLIC;
GRANT SELECT, UPDATE (stopped, clock) ON public.district TO plaza_app;
