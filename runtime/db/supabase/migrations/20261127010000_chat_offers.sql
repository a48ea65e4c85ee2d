-- What the chat has shown to a person and asked "confirm?" about: a yes counts for exactly this, from this person, in this
-- conversation, in another message than the one that asked, until it expires, and once.
create table chat_offers (
  id uuid primary key,
  person text not null,
  conversation text not null,
  message text not null,
  plan jsonb not null,
  shown text not null,
  made_at timestamptz not null,
  expires_at timestamptz not null,
  closed_at timestamptz,
  ending text check (ending in ('confirmed', 'dropped')),
  check (expires_at > made_at),
  check ((closed_at is null) = (ending is null))
);
-- One question at a time: a yes must not have two meanings.
create unique index chat_offers_open on chat_offers (person, conversation) where closed_at is null;

alter table chat_offers enable row level security;
revoke all on chat_offers from anon, authenticated;
grant all on chat_offers to service_role;
create policy service_all on chat_offers for all to service_role using (true) with check (true);
