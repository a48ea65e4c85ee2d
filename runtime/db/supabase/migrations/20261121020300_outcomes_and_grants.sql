-- What became of each executed action against what it promised, and the autonomy that managers granted on that record.

-- One row per expected effect of an executed action. Amounts are changes against leaving things as they were; `verdict` says whether
-- the measured change is compatible with the expected one. Restated figures revise a row until it is final; the audit keeps each word.
create table outcomes (
  action_id uuid not null references actions (id),
  metric text not null check (metric in ('profit', 'revenue', 'spend')),
  horizon_hours int not null check (horizon_hours > 0),
  workspace text not null default 'default',
  kind text not null,
  platform text not null,
  campaign_id text not null,
  strategy text not null,
  grant_id uuid,
  headline boolean not null,
  verdict text not null check (verdict in ('as_expected', 'above', 'below', 'undefined')),
  reason text,
  currency char(3) not null,
  expected_low_minor bigint,
  expected_mid_minor bigint,
  expected_high_minor bigint,
  measured_low_minor bigint,
  measured_mid_minor bigint,
  measured_high_minor bigint,
  observed_minor bigint,
  counterfactual_minor bigint,
  z numeric,
  method text not null,
  controls text[] not null default '{}',
  window_from date,
  window_until date,
  days int not null default 0 check (days >= 0),
  provisional boolean not null,
  final boolean not null,
  revision int not null default 0 check (revision >= 0),
  done_at timestamptz not null,
  recorded_at timestamptz not null,
  revised_at timestamptz,
  primary key (action_id, metric, horizon_hours),
  check ((expected_mid_minor is null) = (expected_low_minor is null) and (expected_mid_minor is null) = (expected_high_minor is null)),
  check ((measured_mid_minor is null) = (measured_low_minor is null) and (measured_mid_minor is null) = (measured_high_minor is null)),
  check ((verdict = 'undefined') = (reason is not null)),
  check (verdict = 'undefined' or (expected_mid_minor is not null and measured_mid_minor is not null))
);
create index outcomes_open on outcomes (recorded_at) where not final;
create index outcomes_kind on outcomes (workspace, kind, strategy, done_at desc);
create index outcomes_campaign on outcomes (campaign_id, done_at desc);
create index actions_done on actions (closed_at) where status = 'done' and campaign_id is not null;

-- Autonomy beyond the operator's dial: for one kind of action, up to an amount, a change, a count and a date. `used` never passes
-- `max_count`: it is raised in the transaction that authorises the action.
create table grants (
  id uuid primary key,
  workspace text not null default 'default',
  action_kind text not null,
  level int not null check (level = 1),
  max_amount_minor bigint not null check (max_amount_minor > 0),
  currency char(3) not null,
  max_change numeric check (max_change > 0),
  max_count int not null check (max_count > 0),
  used int not null default 0 check (used >= 0 and used <= max_count),
  action_id uuid not null unique references actions (id),
  proposed_by text not null,
  granted_by text not null,
  granted_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text,
  revoke_reason jsonb,
  check (expires_at > granted_at),
  check ((revoked_at is null) = (revoked_by is null))
);
create index grants_living on grants (workspace, action_kind, expires_at) where revoked_at is null;

create table grant_uses (
  action_id uuid primary key references actions (id),
  grant_id uuid not null references grants (id),
  at timestamptz not null
);
create index grant_uses_grant on grant_uses (grant_id, at);

do $$
declare
  t text;
begin
  foreach t in array array['outcomes', 'grants', 'grant_uses'] loop
    execute format('alter table public.%I enable row level security', t);
    execute format('revoke all on public.%I from anon, authenticated', t);
    execute format('grant all on public.%I to service_role', t);
    execute format('create policy service_all on public.%I for all to service_role using (true) with check (true)', t);
    execute format('grant select on public.%I to authenticated', t);
    execute format('create policy read_business on public.%I for select to authenticated using ((select app.may_read()))', t);
  end loop;
end
$$;
