-- What the spend watchdog knows of a campaign beyond its status: since when the platform no longer shows it, and since when it counts
-- as gone (deleted there by hand). A campaign that is gone keeps its row, its history and what it spent.

alter table campaigns add column missing_since timestamptz;
alter table campaigns add column gone_at timestamptz;

create index reservations_due on reservations (expires_at) where status = 'held';
