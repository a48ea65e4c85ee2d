-- Two changes of one campaign are never on their way to the platform at once: whoever comes second waits until the first one is
-- settled, and is then judged anew. A budget and a state are two things: neither waits for the other.
create unique index actions_one_write on actions (campaign_id, (kind = 'campaign.set_budget'))
  where status = 'executing' and campaign_id is not null;
