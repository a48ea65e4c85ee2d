-- What a replay needs and the first schema did not keep: the policy of every version that judged, the facts and the verdict of
-- every judgement (an action may be judged several times: asked, approved on fresh facts, recovered), and what the optimizer saw.

-- document is the text whose sha256 begins with version; first written with the first judgement under it.
create table policies (
  version text primary key,
  document text not null,
  first_seen_at timestamptz not null
);

-- seq is the audit row that tells of the judgement; its payload carries digest. json, not jsonb: the spelling is what was hashed.
create table judgements (
  seq bigint primary key,
  action_id uuid not null,
  at timestamptz not null,
  policy_version text not null,
  policy_hash text not null default '',
  law text not null,
  facts json not null,
  verdict json not null,
  digest text not null
);
create index judgements_action on judgements (action_id, seq);
create index judgements_at on judgements (at);
create trigger judgements_append_only before update or delete on judgements
  for each row execute function app.refuse_change();
create trigger judgements_no_truncate before truncate on judgements
  for each statement execute function app.refuse_change();
create trigger policies_append_only before update or delete on policies
  for each row execute function app.refuse_change();

-- A decision can be made again: its spelling is kept, and the figures that its document shows besides the history.
alter table decisions
  alter column document type json using document::text::json,
  alter column history type json using history::text::json,
  add column figures json,
  add column document_hash text;

do $$
declare
  t text;
begin
  foreach t in array array['policies', 'judgements'] loop
    execute format('alter table public.%I enable row level security', t);
    execute format('revoke all on public.%I from anon, authenticated', t);
    execute format('grant all on public.%I to service_role', t);
    execute format('create policy service_all on public.%I for all to service_role using (true) with check (true)', t);
    execute format('grant select on public.%I to authenticated', t);
  end loop;
end
$$;
create policy read_business on policies for select to authenticated using ((select app.may_read()));
create policy read_people on judgements for select to authenticated using ((select app.may_read_people()));
revoke update, delete, truncate on policies, judgements from service_role;
