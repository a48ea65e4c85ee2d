-- Products, creatives, campaigns and what is measured of them.
-- Money is *_minor (whole minor units) beside an ISO currency. Times are written by the application's clock.

create table products (
  id text primary key,
  workspace text not null default 'default',
  name text not null,
  description text not null,
  price_minor bigint not null check (price_minor >= 0),
  currency char(3) not null,
  margin numeric not null check (margin <= 1),
  landing_url text not null,
  image_url text,
  in_stock boolean not null,
  keywords text[] not null default '{}',
  status text not null check (status in ('candidate', 'approved', 'rejected')),
  score numeric,
  supplier text,
  supplier_ref text,
  evidence jsonb not null default '{}',
  policy_findings jsonb not null default '[]',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (supplier, supplier_ref)
);
create index products_status on products (status, score desc nulls last);

create table creatives (
  id text primary key,
  product_id text not null references products (id),
  platform text not null check (platform in ('meta', 'tiktok', 'google', 'linkedin')),
  headline text not null,
  body text not null,
  cta text not null,
  image_url text,
  video_id text,
  status text not null check (status in ('draft', 'approved', 'rejected', 'active', 'failed', 'retired')),
  policy_findings jsonb not null default '[]',
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index creatives_product on creatives (product_id, platform, status);

create table campaigns (
  id text primary key,
  workspace text not null default 'default',
  platform text not null check (platform in ('meta', 'tiktok', 'google', 'linkedin')),
  product_id text references products (id),
  name text not null,
  key text unique,
  external_id text,
  status text not null check (status in ('draft', 'active', 'error', 'testing', 'scaling', 'paused')),
  delivery text not null default 'unknown'
    check (delivery in ('active', 'paused', 'in_review', 'rejected', 'with_issues', 'archived', 'unknown')),
  currency char(3),
  daily_budget_minor bigint check (daily_budget_minor >= 0),
  launch_budget_minor bigint check (launch_budget_minor >= 0),
  created_at timestamptz not null,
  launched_at timestamptz,
  last_change_at timestamptz,
  paused_at timestamptz,
  synced_at timestamptz,
  error jsonb,
  raw jsonb not null default '{}',
  unique (platform, external_id),
  check (currency is not null or (daily_budget_minor is null and launch_budget_minor is null))
);
create index campaigns_status on campaigns (workspace, status);
create index campaigns_product on campaigns (product_id);

create table ad_sets (
  id uuid primary key,
  campaign_id text not null references campaigns (id) on delete cascade,
  platform text not null,
  external_id text not null,
  name text not null,
  status text not null check (status in ('draft', 'active', 'error', 'testing', 'scaling', 'paused')),
  delivery text not null
    check (delivery in ('active', 'paused', 'in_review', 'rejected', 'with_issues', 'archived', 'unknown')),
  created_at timestamptz not null,
  synced_at timestamptz not null,
  unique (platform, external_id)
);
create index ad_sets_campaign on ad_sets (campaign_id);

create table ads (
  id uuid primary key,
  campaign_id text not null references campaigns (id) on delete cascade,
  ad_set_id uuid references ad_sets (id) on delete cascade,
  creative_id text references creatives (id),
  platform text not null,
  external_id text not null,
  name text not null,
  status text not null check (status in ('draft', 'active', 'error', 'testing', 'scaling', 'paused')),
  delivery text not null
    check (delivery in ('active', 'paused', 'in_review', 'rejected', 'with_issues', 'archived', 'unknown')),
  created_at timestamptz not null,
  synced_at timestamptz not null,
  unique (platform, external_id)
);
create index ads_campaign on ads (campaign_id);

-- One row per object and account-local day (hour null) or hour of it. Restated figures replace earlier ones.
create table analytics (
  workspace text not null default 'default',
  platform text not null check (platform in ('meta', 'tiktok', 'google', 'linkedin')),
  level text not null check (level in ('campaign', 'ad_set', 'ad')),
  external_id text not null,
  campaign_id text references campaigns (id) on delete set null,
  day date not null,
  hour smallint check (hour between 0 and 23),
  impressions bigint not null,
  clicks bigint not null,
  spend_minor bigint not null,
  conversions bigint not null,
  revenue_minor bigint not null,
  currency char(3) not null,
  provisional boolean not null,
  first_seen_at timestamptz not null,
  updated_at timestamptz not null,
  unique nulls not distinct (platform, level, external_id, day, hour)
);
create index analytics_campaign_day on analytics (campaign_id, day) where hour is null;
create index analytics_workspace_day on analytics (workspace, day) where hour is null and level = 'campaign';

-- Rates by day, so that an amount of another currency can be compared with a limit and the comparison repeated later.
create table exchange_rates (
  base char(3) not null,
  quote char(3) not null,
  day date not null,
  rate numeric not null check (rate > 0),
  source text not null,
  recorded_at timestamptz not null,
  primary key (base, quote, day)
);
