-- The gate's books: what was asked, judged, allowed, done; and the chain that proves it.
-- actions name campaigns, conversations and leads as they were asked for, without foreign keys: a refused request for
-- something that does not exist is recorded too.

create table actions (
  id uuid primary key,
  workspace text not null default 'default',
  kind text not null,
  platform text,
  campaign_id text,
  conversation_id text,
  lead_id text,
  args jsonb not null,
  fingerprint text not null,
  idempotency_key text not null unique,
  proposer_kind text not null,
  proposer_id text not null,
  why jsonb,
  evidence jsonb,
  expected jsonb,
  confidence numeric check (confidence between 0 and 1),
  correlation_id text,
  status text not null check (status in (
    'proposed', 'refused', 'waiting', 'authorised', 'executing', 'unknown',
    'done', 'failed', 'rejected', 'expired', 'cancelled', 'suggested')),
  verdict jsonb,
  facts jsonb,
  policy_version text,
  executor text,
  attempts int not null default 0,
  result jsonb,
  error jsonb,
  undo_of uuid references actions (id),
  created_at timestamptz not null,
  decided_at timestamptz,
  execution_started_at timestamptz,
  closed_at timestamptz
);
create index actions_status on actions (status, created_at);
create index actions_open on actions (created_at)
  where status in ('proposed', 'waiting', 'authorised', 'executing', 'unknown');
create index actions_campaign on actions (campaign_id, created_at) where campaign_id is not null;
create index actions_conversation on actions (conversation_id, created_at) where conversation_id is not null;
create index actions_lead on actions (lead_id) where lead_id is not null;
create index actions_created on actions (created_at);
create index actions_fingerprint on actions (fingerprint);
create index actions_correlation on actions (correlation_id) where correlation_id is not null;
create index actions_undo on actions (undo_of) where undo_of is not null;

create table approvals (
  id uuid primary key,
  action_id uuid not null unique references actions (id),
  workspace text not null default 'default',
  status text not null check (status in ('pending', 'approved', 'rejected', 'expired')),
  priority text not null,
  exposure_minor bigint,
  exposure_currency char(3),
  requested_at timestamptz not null,
  expires_at timestamptz not null,
  decided_by text,
  decided_at timestamptz,
  decision_reason text,
  edited_from uuid references actions (id),
  quorum int not null default 1 check (quorum >= 1),
  votes jsonb not null default '[]',
  check ((status = 'pending') = (decided_at is null)),
  check ((exposure_minor is null) = (exposure_currency is null))
);
create index approvals_pending on approvals (workspace, expires_at) where status = 'pending';

create table reservations (
  id uuid primary key,
  action_id uuid not null unique references actions (id),
  workspace text not null default 'default',
  platform text not null,
  campaign_id text not null,
  exposure_minor bigint not null check (exposure_minor >= 0),
  currency char(3) not null,
  status text not null check (status in ('held', 'settled', 'released')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  closed_at timestamptz
);
create index reservations_held on reservations (workspace, platform, campaign_id) where status = 'held';

create table budget_changes (
  id uuid primary key,
  campaign_id text not null references campaigns (id),
  action_id uuid references actions (id),
  from_minor bigint,
  to_minor bigint not null check (to_minor >= 0),
  currency char(3) not null,
  at timestamptz not null,
  reason text not null
);
create index budget_changes_campaign on budget_changes (campaign_id, at);
create index budget_changes_at on budget_changes (at);

create table kill_switches (
  id uuid primary key,
  scope text not null check (scope in ('all', 'platform', 'campaign', 'agent', 'conversation')),
  target text not null default '',
  reason text not null,
  set_by text not null,
  set_at timestamptz not null,
  lifted_by text,
  lifted_at timestamptz,
  check ((scope = 'all') = (target = ''))
);
create unique index kill_switches_set on kill_switches (scope, target) where lifted_at is null;

-- seq is given by the application under an advisory lock: an identity column would leave gaps on rollback, and a gap is
-- what a deleted row looks like. payload_text is the canonical JSON that was hashed (jsonb does not keep its spelling).
create table audit_log (
  seq bigint primary key check (seq >= 1),
  at timestamptz not null,
  kind text not null,
  action_id uuid,
  actor text not null,
  payload jsonb not null,
  payload_text text not null,
  prev_hash text not null,
  hash text not null unique
);
create index audit_log_action on audit_log (action_id) where action_id is not null;
create index audit_log_at on audit_log (at);
create trigger audit_log_append_only before update or delete on audit_log
  for each row execute function app.refuse_change();
create trigger audit_log_no_truncate before truncate on audit_log
  for each statement execute function app.refuse_change();

create table decisions (
  id uuid primary key,
  workspace text not null default 'default',
  at timestamptz not null,
  strategy text not null,
  document jsonb not null,
  history jsonb not null,
  history_hash text not null,
  policy_version text not null
);
create index decisions_at on decisions (workspace, at desc);

-- What agreement between the house and its managers has been per action kind: autonomy is earned from it.
create table agreements (
  action_id uuid primary key references actions (id),
  kind text not null,
  proposed text not null,
  decided text not null,
  agreed boolean not null,
  decided_by text not null,
  at timestamptz not null
);
create index agreements_kind on agreements (kind, at desc);

create table blacklist (
  kind text not null check (kind in ('product', 'creative', 'term', 'brand')),
  value text not null,
  reason text not null,
  added_by text not null,
  at timestamptz not null,
  primary key (kind, value)
);
