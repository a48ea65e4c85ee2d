-- Leads, their identities, conversations, messages, and what webhooks told us.

create table leads (
  id uuid primary key,
  workspace text not null default 'default',
  name text,
  company text,
  cnpj char(14),
  need text,
  volume text,
  urgency text,
  city text,
  state char(2),
  email text,
  phone text,
  temperature text check (temperature in ('hot', 'warm', 'cold')),
  score_fit smallint check (score_fit between 0 and 25),
  score_volume smallint check (score_volume between 0 and 25),
  score_urgency smallint check (score_urgency between 0 and 25),
  score_intent smallint check (score_intent between 0 and 25),
  summary text,
  language text,
  origin jsonb not null default '{}',
  oportunidade_pipe_id text,
  opted_out_at timestamptz,
  erased_at timestamptz,
  merged_into uuid references leads (id),
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index leads_created on leads (created_at desc);
create index leads_cnpj on leads (cnpj) where cnpj is not null;
create index leads_merged on leads (merged_into) where merged_into is not null;

-- Order of the primary key is also the order in which identities are locked: (kind, value).
create table contact_identities (
  kind text not null check (kind in ('phone_e164', 'wa_id', 'lid', 'bsuid', 'chatwoot_contact')),
  value text not null,
  lead_id uuid not null references leads (id) on delete cascade,
  first_seen_at timestamptz not null,
  primary key (kind, value)
);
create index contact_identities_lead on contact_identities (lead_id);

create table webhook_events (
  id uuid primary key,
  source text not null,
  dedupe_key text not null,
  raw bytea not null,
  headers jsonb not null default '{}',
  received_at timestamptz not null,
  processed_at timestamptz,
  attempts int not null default 0,
  error text,
  status text not null check (status in ('received', 'processed', 'dead')),
  unique (source, dedupe_key)
);
create index webhook_events_todo on webhook_events (received_at) where status = 'received';
create index webhook_events_dead on webhook_events (received_at) where status = 'dead';
create index webhook_events_received on webhook_events (received_at);

create table conversations (
  id uuid primary key,
  lead_id uuid not null references leads (id) on delete cascade,
  channel text not null,
  line text,
  owner text not null default 'bot' check (owner in ('bot', 'human', 'closed')),
  epoch int not null default 0,
  owner_changed_at timestamptz,
  owner_reason text,
  desk_contact_id text,
  desk_conversation_id text,
  desk_last_message_id text,
  wake_at timestamptz,
  wake_seq int not null default 0,
  last_inbound_at timestamptz,
  last_outbound_at timestamptz,
  next_seq bigint not null default 1,
  handed_off_at timestamptz,
  merged_into uuid references conversations (id) on delete set null,
  state jsonb not null default '{}',
  created_at timestamptz not null,
  unique (lead_id, channel)
);
create index conversations_wake on conversations (wake_at) where wake_at is not null;
create index conversations_desk on conversations (desk_conversation_id) where desk_conversation_id is not null;
create index conversations_owner on conversations (owner, last_inbound_at desc);

create table messages (
  id uuid primary key,
  conversation_id uuid not null references conversations (id) on delete cascade,
  seq bigint not null,
  direction text not null check (direction in ('in', 'out')),
  author text not null check (author in ('lead', 'bot', 'human', 'system')),
  body text,
  media jsonb,
  external_id text,
  desk_message_id text,
  status text not null,
  sent_at timestamptz,
  created_at timestamptz not null,
  handled_at timestamptz,
  action_id uuid references actions (id),
  webhook_event_id uuid references webhook_events (id) on delete set null,
  unique (conversation_id, seq),
  unique (conversation_id, external_id)
);
create index messages_unhandled on messages (conversation_id, seq) where direction = 'in' and handled_at is null;
create index messages_external on messages (external_id) where external_id is not null;
create index messages_desk on messages (desk_message_id) where desk_message_id is not null;
create index messages_action on messages (action_id) where action_id is not null;
create index messages_webhook on messages (webhook_event_id) where webhook_event_id is not null;

-- One payload may hold several events; each is taken once for ever, however often the payload comes.
create table inbound_events (
  source text not null,
  dedupe text not null,
  kind text not null,
  webhook_event_id uuid references webhook_events (id) on delete set null,
  conversation_id uuid references conversations (id) on delete set null,
  payload jsonb not null,
  received_at timestamptz not null,
  processed_at timestamptz,
  primary key (source, dedupe)
);
create index inbound_events_webhook on inbound_events (webhook_event_id);
create index inbound_events_conversation on inbound_events (conversation_id);

create table empresa (
  id uuid primary key,
  lead_id uuid references leads (id) on delete set null,
  name text not null,
  cnpj char(14) unique,
  city text,
  state char(2),
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index empresa_lead on empresa (lead_id);

create table orcamentos (
  id uuid primary key,
  lead_id uuid not null references leads (id) on delete cascade,
  empresa_id uuid references empresa (id) on delete set null,
  conversation_id uuid references conversations (id) on delete set null,
  need text not null,
  volume text,
  urgency text,
  details jsonb not null default '{}',
  status text not null check (status in ('requested', 'quoted', 'won', 'lost', 'cancelled')),
  value_minor bigint,
  currency char(3),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check ((value_minor is null) = (currency is null))
);
create index orcamentos_lead on orcamentos (lead_id);

-- The vendor's ids never leave this table. `key` tells several of one kind apart (notes); '' for the only one.
create table crm_links (
  vendor text not null,
  entity text not null check (entity in ('company', 'person', 'deal', 'note')),
  lead_id uuid not null references leads (id) on delete cascade,
  key text not null default '',
  external_id text not null,
  created_at timestamptz not null,
  primary key (vendor, entity, lead_id, key)
);
create index crm_links_external on crm_links (vendor, entity, external_id);

-- Who must not be written to, by hash: it outlives the erasure of the lead without keeping the person.
create table suppressions (
  identity_hash text not null,
  scope text not null,
  reason text not null,
  at timestamptz not null,
  primary key (identity_hash, scope)
);

create table consents (
  id uuid primary key,
  lead_id uuid not null references leads (id) on delete cascade,
  purpose text not null,
  granted boolean not null,
  basis text not null,
  notice_version text,
  evidence jsonb not null default '{}',
  at timestamptz not null
);
create index consents_lead on consents (lead_id, purpose, at desc);

-- The receipt of an erasure: counts per table, no person's data.
create table erasures (
  id uuid primary key,
  lead_ref text not null,
  requested_by text not null,
  requested_at timestamptz not null,
  finished_at timestamptz,
  receipt jsonb not null default '{}'
);

create table orders (
  id text primary key,
  workspace text not null default 'default',
  source text not null,
  external_id text not null,
  campaign_id text references campaigns (id) on delete set null,
  product_id text references products (id) on delete set null,
  lead_id uuid references leads (id) on delete set null,
  utm jsonb not null default '{}',
  value_minor bigint not null,
  currency char(3) not null,
  status text not null,
  ordered_at timestamptz not null,
  received_at timestamptz not null,
  raw jsonb not null default '{}',
  unique (source, external_id)
);
create index orders_campaign on orders (campaign_id, ordered_at);
create index orders_at on orders (workspace, ordered_at);
create index orders_lead on orders (lead_id) where lead_id is not null;
create index orders_product on orders (product_id) where product_id is not null;

-- What the supplier was asked to ship for an order. Unpaid until a manager says so.
create table supplier_orders (
  id uuid primary key,
  order_id text not null references orders (id) on delete cascade,
  supplier text not null,
  external_id text,
  action_id uuid references actions (id),
  status text not null,
  cost_minor bigint,
  currency char(3),
  tracking_code text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (supplier, external_id),
  check ((cost_minor is null) = (currency is null))
);
create index supplier_orders_order on supplier_orders (order_id);
