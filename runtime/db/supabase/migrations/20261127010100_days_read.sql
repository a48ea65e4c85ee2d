-- Receipts for whole days of a platform's figures: written beside the figures themselves, in one transaction, and only for a day
-- that was over in the ad account's time zone when it was read. Platforms send no row for a day without delivery, so that a missing
-- row of analytics says nothing; a missing receipt says that nobody knows yet what the day has cost. Kept as long as analytics.
create table days_read (
  workspace text not null default 'default',
  platform text not null check (platform in ('meta', 'tiktok', 'google', 'linkedin')),
  day date not null,
  read_at timestamptz not null,
  primary key (workspace, platform, day)
);

alter table days_read enable row level security;
revoke all on days_read from anon, authenticated;
grant all on days_read to service_role;
create policy service_all on days_read for all to service_role using (true) with check (true);
grant select on days_read to authenticated;
create policy read_business on days_read for select to authenticated using ((select app.may_read()));
