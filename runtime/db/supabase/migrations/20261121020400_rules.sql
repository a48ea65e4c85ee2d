-- Every judgement of a campaign reads today's changes of all campaigns: without this it reads every action ever made, most of
-- which are messages.
create index actions_kind_decided on actions (workspace, kind, decided_at);
