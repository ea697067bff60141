-- Requests that depend on ACLs
--
-- What would change if ACLs were switched off (object ownership "bucket owner enforced"): requests
-- that only an ACL allowed, and requests that set one. Where a bucket has none for a few weeks, its
-- ACLs can go. To keep the access, give it by bucket policy first. Known since 2022 (field 26);
-- older records never say so.
--
-- Columns:
--   bucket       where
--   who          requester; "anonymous" where there is none
--   operation    as recorded
--   requests     how many
--   answered     of them with a status below 400
--   keys         different keys
--   addresses    different remote IPs
--   example_key  one of them, decoded
--   user_agent   one that was used
--   first        the earliest (UTC)
--   last         the latest (UTC)
SELECT
  bucket,
  coalesce(requester, 'anonymous') AS who,
  operation,
  count(*) AS requests,
  count(*) FILTER (http_status < 400) AS answered,
  count(DISTINCT key_decoded) AS keys,
  count(DISTINCT remote_ip) AS addresses,
  min(key_decoded) AS example_key,
  max(user_agent) AS user_agent,
  min(time) AS first,
  max(time) AS last
FROM logs
WHERE acl_required
GROUP BY bucket, requester, operation
ORDER BY requests DESC, bucket, who, operation
LIMIT $top
