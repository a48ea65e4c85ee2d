-- What people may do with a request: several votes, an edit, more time, a withdrawal; and actions that wait for their grace to end.

alter table actions add column not_before timestamptz;
alter table actions drop constraint actions_status_check;
alter table actions add constraint actions_status_check check (status in (
  'refused', 'suggested', 'waiting', 'authorised', 'scheduled', 'executing', 'unknown',
  'done', 'failed', 'rejected', 'expired', 'cancelled', 'replaced'));
alter table actions add constraint actions_grace check (status <> 'scheduled' or not_before is not null);
drop index actions_open;
create index actions_open on actions (created_at)
  where status in ('waiting', 'authorised', 'scheduled', 'executing', 'unknown');
create index actions_due on actions (not_before) where status = 'scheduled';

alter table approvals drop constraint approvals_status_check;
alter table approvals add constraint approvals_status_check check (status in (
  'pending', 'approved', 'rejected', 'expired', 'replaced', 'withdrawn'));
alter table approvals add column role text not null default 'manager' check (role in ('manager', 'admin'));
alter table approvals add column edited_by text;
alter table approvals add column narrower boolean not null default false;

-- Two changes of one moment have an order: the baseline of a window is where its first change began.
alter table budget_changes add column seq bigint generated always as identity;

-- And so have two decisions of one moment.
alter table actions add column seq bigint generated always as identity;
