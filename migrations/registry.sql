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
    CONSTRAINT only_a_sandbox_has_a_clock CHECK (sandbox OR clock IS NULL)
);
REVOKE ALL ON public.district FROM PUBLIC;
GRANT SELECT, UPDATE (stopped, clock) ON public.district TO plaza_app;
