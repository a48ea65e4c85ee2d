-- Each platform's ad account as it last stated itself: the gate compares its days with the house's without asking the platform.
create table ad_accounts (
  workspace text not null default 'default',
  platform text not null check (platform in ('meta', 'tiktok', 'google', 'linkedin')),
  external_id text not null,
  currency char(3) not null,
  time_zone text not null,
  read_at timestamptz not null,
  primary key (workspace, platform)
);

alter table ad_accounts enable row level security;
revoke all on ad_accounts from anon, authenticated;
grant all on ad_accounts to service_role;
create policy service_all on ad_accounts for all to service_role using (true) with check (true);
grant select on ad_accounts to authenticated;
create policy read_business on ad_accounts for select to authenticated using ((select app.may_read()));
