-- Use of presigned URLs
--
-- Whose presigned URLs are used, on what, and from where. The requester is who signed the URL, not
-- who uses it: many addresses mean that it was passed on. A URL that is refused (expired, mostly)
-- may have no requester. How long a URL is valid is what SigV4 says in X-Amz-Expires; SigV2 tells
-- the end alone.
--
-- Columns:
--   who              whose key signed; "not authenticated" where that isn't known
--   bucket           where
--   operation        as recorded
--   requests         how many
--   answered         of them with a status below 400
--   refused          of them with status 401 or 403
--   keys             different keys
--   addresses        different remote IPs
--   bytes_sent       bodies that were sent; none for HEAD (bytes)
--   longest_valid_s  the longest validity of a URL (s)
--   sigv2            requests signed with SigV2, which new buckets refuse
--   first            the earliest (UTC)
--   last             the latest (UTC)
SELECT
  coalesce(requester, 'not authenticated') AS who,
  bucket,
  operation,
  count(*) AS requests,
  count(*) FILTER (http_status < 400) AS answered,
  count(*) FILTER (http_status IN (401, 403)) AS refused,
  count(DISTINCT key_decoded) AS keys,
  count(DISTINCT remote_ip) AS addresses,
  coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent,
  max(try_cast(
    nullif(regexp_extract(request_uri, '[?&]X-Amz-Expires=([0-9]+)', 1, 'i'), '') AS BIGINT
  )) AS longest_valid_s,
  count(*) FILTER (signature_version = 'SigV2') AS sigv2,
  min(time) AS first,
  max(time) AS last
FROM logs
WHERE is_presigned
GROUP BY requester, bucket, operation
ORDER BY requests DESC, who, bucket, operation
LIMIT $top
