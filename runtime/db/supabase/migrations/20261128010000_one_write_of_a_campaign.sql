-- Two writes of one campaign's budget, or two starts of it, are never on their way to the platform at once: whoever comes second waits
-- until the first one is settled, and is then judged anew. A stop waits for nobody: it is not in the index.
update actions set status = 'unknown' where status = 'executing';
create unique index actions_one_write on actions (campaign_id, (kind = 'campaign.set_budget'))
  where status = 'executing' and kind in ('campaign.set_budget', 'campaign.resume', 'campaign.publish');

-- Which decision about a campaign came later is counted where it is taken, not read from the clocks of several machines.
create sequence actions_decided as bigint;
alter table actions add column decided_order bigint;
update actions set decided_order = o.place
  from (select id, row_number() over (order by decided_at, seq) as place from actions) o where o.id = actions.id;
select setval('actions_decided', greatest((select count(*) from actions), 1));
alter table actions alter column decided_order set not null, alter column decided_order set default nextval('actions_decided');
alter sequence actions_decided owned by actions.decided_order;
grant usage on sequence actions_decided to service_role;

-- A stop is its person's: lifting somebody else's does not lift it.
drop index kill_switches_set;
create unique index kill_switches_set on kill_switches (scope, target, set_by) where lifted_at is null;
