-- The three roles of Supabase, so that the same policies hold on any Postgres. Nothing happens where they exist.
-- service_role is made without BYPASSRLS when the migrating user may not grant it: its policies allow everything anyway.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin noinherit', wanted);
      exception when duplicate_object or unique_violation then
        null; -- roles belong to the whole server: another database's migration was faster
      end;
    end if;
  end loop;
end
$$;

create schema if not exists app;
revoke all on schema app from public;

-- The role that the manager's token claims, from app_metadata, which only the auth service can write (user_metadata is
-- the user's own). Empty when there is no token: every comparison then fails.
create function app.claim_role() returns text
  language sql stable
  set search_path = ''
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claims', true), '')::jsonb #>> '{app_metadata,role}',
    ''
  )
$$;

create function app.may_read() returns boolean
  language sql stable
  set search_path = ''
as $$ select app.claim_role() in ('viewer', 'manager', 'admin') $$;

-- People's own data (leads, their messages, their orders): not for viewers.
create function app.may_read_people() returns boolean
  language sql stable
  set search_path = ''
as $$ select app.claim_role() in ('manager', 'admin') $$;

create function app.is_admin() returns boolean
  language sql stable
  set search_path = ''
as $$ select app.claim_role() = 'admin' $$;

create function app.refuse_change() returns trigger
  language plpgsql
  set search_path = ''
as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op)
    using errcode = 'restrict_violation';
end
$$;

revoke all on all functions in schema app from public;
grant usage on schema app to authenticated, service_role;
grant execute on function app.claim_role(), app.may_read(), app.may_read_people(), app.is_admin()
  to authenticated, service_role;
