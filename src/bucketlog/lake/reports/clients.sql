-- Clients in use
--
-- Which programs talk to the buckets, by family: SDKs, tools, browsers. A client says itself what it
-- is, so this is what clients claim. Keys of a batch delete, source halves of copies and lifecycle
-- rules have no client and are left out.
--
-- Columns:
--   client      the family of the user agent; "none" where there was none
--   requests    how many
--   errors      of them with a status from 400 on
--   requesters  different requesters
--   addresses   different remote IPs
--   versions    different user agents
--   sigv2       requests signed with SigV2
--   bytes_sent  bodies that were sent; none for HEAD (bytes)
--   user_agent  one of them, in full
--   first       the earliest (UTC)
--   last        the latest (UTC)
SELECT
  coalesce(client, 'none') AS client,
  count(*) AS requests,
  count(*) FILTER (http_status >= 400) AS errors,
  count(DISTINCT requester) AS requesters,
  count(DISTINCT remote_ip) AS addresses,
  count(DISTINCT user_agent) AS versions,
  count(*) FILTER (signature_version = 'SigV2') AS sigv2,
  coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent,
  max(user_agent) AS user_agent,
  min(time) AS first,
  max(time) AS last
FROM logs
WHERE NOT (
  operation LIKE 'BATCH.%' OR operation LIKE 'S3.%'
  OR operation LIKE 'REST.COPY.%\_GET' ESCAPE '\'
)
GROUP BY ALL
ORDER BY requests DESC, client
LIMIT $top
