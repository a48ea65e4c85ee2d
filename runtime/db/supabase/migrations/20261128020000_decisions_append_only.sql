-- What the optimizer decided is a record like any other: nobody changes or removes it, and `ceo audit verify` misses what is gone.
create trigger decisions_append_only before update or delete on decisions
  for each row execute function app.refuse_change();
create trigger decisions_no_truncate before truncate on decisions
  for each statement execute function app.refuse_change();
revoke update, delete, truncate on decisions from service_role;
