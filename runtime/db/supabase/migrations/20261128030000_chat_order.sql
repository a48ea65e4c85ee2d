-- Lines of one moment (a simulated clock moves in steps) are shown in the order in which they were said.
alter table chat_messages add column seq bigint generated always as identity;
drop index chat_messages_user;
create index chat_messages_user on chat_messages (user_id, at, seq);
