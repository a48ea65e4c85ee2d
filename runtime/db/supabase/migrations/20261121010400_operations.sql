-- Alerts, accounts of the cockpit, live events, schedules, processes, reports.

create table alerts (
  id uuid primary key,
  workspace text not null default 'default',
  cause_key text not null,
  kind text not null,
  severity text not null check (severity in ('info', 'warning', 'critical')),
  message jsonb not null,
  opened_at timestamptz not null,
  acknowledged_at timestamptz,
  acknowledged_by text,
  resolved_at timestamptz
);
create unique index alerts_open_cause on alerts (workspace, cause_key) where resolved_at is null;
create index alerts_opened on alerts (workspace, opened_at desc);

create table notifications (
  id uuid primary key,
  alert_id uuid references alerts (id) on delete cascade,
  channel text not null,
  status text not null check (status in ('pending', 'sent', 'failed')),
  attempts int not null default 0,
  error text,
  created_at timestamptz not null,
  sent_at timestamptz,
  unique (alert_id, channel)
);
create index notifications_pending on notifications (created_at) where status = 'pending';

create table users (
  id uuid primary key,
  email text not null unique check (email = lower(email)),
  password_hash text,
  role text not null check (role in ('viewer', 'manager', 'admin')),
  locale text not null default 'pt-BR',
  created_at timestamptz not null,
  disabled_at timestamptz
);

create table web_sessions (
  id_hash text primary key,
  user_id uuid not null references users (id) on delete cascade,
  csrf text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  last_seen_at timestamptz not null
);
create index web_sessions_user on web_sessions (user_id);
create index web_sessions_expiry on web_sessions (expires_at);

create table login_attempts (
  id uuid primary key,
  email text not null,
  address text not null,
  succeeded boolean not null,
  at timestamptz not null
);
create index login_attempts_email on login_attempts (email, at desc);
create index login_attempts_address on login_attempts (address, at desc);

create table chat_messages (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  role text not null check (role in ('user', 'ceo', 'system')),
  body text not null,
  rows jsonb not null default '[]',
  at timestamptz not null
);
create index chat_messages_user on chat_messages (user_id, at);

create table live_events (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  kind text not null,
  payload jsonb not null
);
create index live_events_at on live_events (at);

create table schedule_ticks (
  schedule text not null,
  slot timestamptz not null,
  workflow_id text not null,
  enqueued_at timestamptz not null,
  finished_at timestamptz,
  result jsonb,
  primary key (schedule, slot)
);

create table executors (
  incarnation uuid primary key,
  slot int not null,
  pid int not null,
  host text not null,
  started_at timestamptz not null,
  lost_at timestamptz
);
create index executors_alive on executors (slot) where lost_at is null;

-- Circuit breakers shared by every process: one row per vendor account.
create table breakers (
  name text primary key,
  state text not null check (state in ('closed', 'open', 'half_open')),
  failures int not null default 0,
  opened_at timestamptz,
  updated_at timestamptz not null
);

create table reports (
  id uuid primary key,
  workspace text not null default 'default',
  kind text not null check (kind in ('daily', 'weekly', 'monthly', 'rehearsal', 'backtest')),
  period_start date not null,
  period_end date not null,
  document jsonb not null,
  created_at timestamptz not null,
  unique (workspace, kind, period_start, period_end)
);
