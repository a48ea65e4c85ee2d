-- Live events get their number when their transaction commits. Given at the insert, number 6 could become visible after
-- number 7, and a page that resumes after 7 would never show it. The lock is held only for the commit itself.
create function app.number_live_event() returns trigger
  language plpgsql
  set search_path = ''
as $$
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('live_events', 0));
  update public.live_events set id = default where id = new.id;
  perform pg_catalog.pg_notify('live_events', new.kind);
  return null;
end
$$;
revoke all on function app.number_live_event() from public;

create constraint trigger live_events_number after insert on live_events
  deferrable initially deferred
  for each row execute function app.number_live_event();

-- The turn or click that asked for a quote: asked again under the same key, nothing is added.
alter table orcamentos add column key text unique;
