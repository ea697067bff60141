-- All that a principal did
--
-- For each principal, bucket and operation: how often, with what outcome, and how much went out. Ask
-- for one principal with --requester. Every record counts, so a copy is two (its source half is
-- REST.COPY.OBJECT_GET) and a batch delete is one for the call and one for each key. The busiest
-- rows come first. One who has no name because no signature came, or none that was valid, is
-- "anonymous".
--
-- Columns:
--   who         requester; "anonymous" where there is none
--   bucket      where
--   operation   as recorded
--   records     how many
--   refused     of them with status 401 or 403
--   failed      of them with another status from 400 on
--   keys        different keys
--   addresses   different remote IPs
--   bytes_sent  bodies that were sent, error documents too; none for HEAD (bytes)
--   first       the earliest (UTC)
--   last        the latest (UTC)
SELECT
  coalesce(requester, 'anonymous') AS who,
  bucket,
  operation,
  count(*) AS records,
  count(*) FILTER (http_status IN (401, 403)) AS refused,
  count(*) FILTER (http_status >= 400 AND http_status NOT IN (401, 403)) AS failed,
  count(DISTINCT key_decoded) AS keys,
  count(DISTINCT remote_ip) AS addresses,
  coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent,
  min(time) AS first,
  max(time) AS last
FROM logs
GROUP BY requester, bucket, operation
ORDER BY records DESC, who, bucket, operation
LIMIT $top
