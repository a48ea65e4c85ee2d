-- Who may read what. anon: nothing. authenticated: reads by the role that its token claims, writes nothing (every change
-- goes through the application's gate). service_role: everything, except changing the audit log.
-- A later migration that creates a table must bring its own lines of this kind; tests/db checks every table.

-- Supabase grants new objects of public to its roles by default; take that back before and after.
alter default privileges in schema public revoke all on tables from anon, authenticated;
alter default privileges in schema public revoke all on sequences from anon, authenticated;
alter default privileges in schema public revoke all on functions from anon, authenticated;
revoke all on all tables in schema public from anon, authenticated;
revoke all on all sequences in schema public from anon, authenticated;

grant usage on schema public to authenticated, service_role;

do $$
declare
  -- Business facts without people in them: viewer, manager, admin.
  business text[] := array[
    'products', 'creatives', 'campaigns', 'ad_sets', 'ads', 'analytics', 'exchange_rates', 'approvals', 'reservations',
    'budget_changes', 'kill_switches', 'decisions', 'agreements', 'blacklist', 'alerts', 'reports', 'schedule_ticks',
    'breakers'];
  -- People's data, and records that may quote it: manager, admin.
  people text[] := array[
    'leads', 'contact_identities', 'conversations', 'messages', 'empresa', 'orcamentos', 'orders', 'supplier_orders',
    'consents', 'actions'];
  -- Proof: admin.
  proof text[] := array['audit_log', 'erasures', 'suppressions', 'notifications'];
  -- The machine's own: nobody but the service.
  inner_works text[] := array[
    'webhook_events', 'inbound_events', 'crm_links', 'users', 'web_sessions', 'login_attempts', 'chat_messages',
    'live_events', 'executors'];
  t text;
begin
  foreach t in array business || people || proof || inner_works loop
    execute format('alter table public.%I enable row level security', t);
    execute format('grant all on public.%I to service_role', t);
    execute format(
      'create policy service_all on public.%I for all to service_role using (true) with check (true)', t);
  end loop;
  foreach t in array business || people || proof loop
    execute format('grant select on public.%I to authenticated', t);
  end loop;
  -- The call sits in a sub-select so that it runs once a query, not once a row.
  foreach t in array business loop
    execute format(
      'create policy read_business on public.%I for select to authenticated using ((select app.may_read()))', t);
  end loop;
  foreach t in array people loop
    execute format(
      'create policy read_people on public.%I for select to authenticated using ((select app.may_read_people()))', t);
  end loop;
  foreach t in array proof loop
    execute format('create policy read_proof on public.%I for select to authenticated using ((select app.is_admin()))', t);
  end loop;
end
$$;

grant usage, select on all sequences in schema public to service_role;
revoke update, delete, truncate on audit_log from service_role;

-- Row level security does not cover materialised views, so nobody but the owner and the service may look.
revoke all on mv_campaign_performance, mv_daily_metrics from public, anon, authenticated;
grant select on mv_campaign_performance, mv_daily_metrics to service_role;
