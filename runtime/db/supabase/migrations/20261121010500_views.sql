-- Undefined ratios stay null, never 0. Sums are per currency: amounts of different currencies are not added.
-- Only daily campaign rows count: hourly rows and the levels below repeat the same money.

create materialized view mv_campaign_performance as
with measured as (
  select
    a.campaign_id, a.currency,
    min(a.day) as first_day, max(a.day) as last_day,
    sum(a.impressions)::bigint as impressions, sum(a.clicks)::bigint as clicks,
    sum(a.spend_minor)::bigint as spend_minor, sum(a.conversions)::bigint as conversions,
    sum(a.revenue_minor)::bigint as revenue_minor, bool_or(a.provisional) as provisional
  from analytics a
  where a.level = 'campaign' and a.hour is null and a.campaign_id is not null
  group by a.campaign_id, a.currency
), ordered as (
  select o.campaign_id, o.currency, count(*) as orders, sum(o.value_minor)::bigint as order_value_minor
  from orders o
  where o.campaign_id is not null and o.status not in ('cancelled', 'refunded', 'pending')
  group by o.campaign_id, o.currency
)
select
  c.id as campaign_id, c.workspace, c.platform, c.name, c.status, m.currency,
  m.first_day, m.last_day, m.impressions, m.clicks, m.spend_minor, m.conversions, m.revenue_minor, m.provisional,
  o.orders, o.order_value_minor,
  m.revenue_minor::numeric / nullif(m.spend_minor, 0) as roas,
  o.order_value_minor::numeric / nullif(m.spend_minor, 0) as roas_orders,
  m.clicks::numeric / nullif(m.impressions, 0) as ctr,
  m.conversions::numeric / nullif(m.clicks, 0) as cvr,
  m.spend_minor::numeric / nullif(m.conversions, 0) as cpa_minor,
  m.revenue_minor::numeric / nullif(m.conversions, 0) as aov_minor
from campaigns c
join measured m on m.campaign_id = c.id
left join ordered o on o.campaign_id = c.id and o.currency = m.currency;
create unique index mv_campaign_performance_key on mv_campaign_performance (campaign_id, currency);

create materialized view mv_daily_metrics as
select
  a.workspace, a.platform, a.day, a.currency,
  count(distinct a.external_id) as campaigns,
  sum(a.impressions)::bigint as impressions, sum(a.clicks)::bigint as clicks,
  sum(a.spend_minor)::bigint as spend_minor, sum(a.conversions)::bigint as conversions,
  sum(a.revenue_minor)::bigint as revenue_minor, bool_or(a.provisional) as provisional,
  sum(a.revenue_minor) / nullif(sum(a.spend_minor), 0) as roas,
  sum(a.clicks) / nullif(sum(a.impressions), 0) as ctr,
  sum(a.conversions) / nullif(sum(a.clicks), 0) as cvr,
  sum(a.spend_minor) / nullif(sum(a.conversions), 0) as cpa_minor,
  sum(a.revenue_minor) / nullif(sum(a.conversions), 0) as aov_minor
from analytics a
where a.level = 'campaign' and a.hour is null
group by a.workspace, a.platform, a.day, a.currency;
create unique index mv_daily_metrics_key on mv_daily_metrics (workspace, platform, day, currency);
