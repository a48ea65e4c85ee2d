-- Whether a campaign was last paused as an emergency (by the spend watchdog, or by a person): no machine lets it run again by itself.

alter table campaigns add column emergency_stop boolean not null default false;
create index campaigns_emergency on campaigns (workspace, paused_at) where emergency_stop;
