-- Failed access by principal and address
--
-- Who was refused or asked in vain, and from where: every record with a status from 400 to 499. Many
-- refused or not found keys from one address are what guessing looks like. Most refusals first.
-- "not authenticated" had no signature, or none that was valid. A copy that was refused is in two
-- records when the logs of both buckets are read.
--
-- Columns:
--   who          requester; "not authenticated" where there is none
--   remote_ip    where from
--   refused      records with status 401 or 403
--   not_found    records with status 404
--   other        records with another status from 400 to 499
--   keys         different keys asked for in vain
--   buckets      different buckets
--   error_codes  S3's words for it, in alphabetical order
--   user_agent   one that was used
--   first        the earliest (UTC)
--   last         the latest (UTC)
SELECT
  coalesce(requester, 'not authenticated') AS who,
  remote_ip,
  count(*) FILTER (http_status IN (401, 403)) AS refused,
  count(*) FILTER (http_status = 404) AS not_found,
  count(*) FILTER (http_status NOT IN (401, 403, 404)) AS other,
  count(DISTINCT key_decoded) AS keys,
  count(DISTINCT bucket) AS buckets,
  string_agg(DISTINCT error_code, ', ' ORDER BY error_code) AS error_codes,
  max(user_agent) AS user_agent,
  min(time) AS first,
  max(time) AS last
FROM logs
WHERE http_status BETWEEN 400 AND 499
GROUP BY requester, remote_ip
ORDER BY refused DESC, not_found DESC, other DESC, who, remote_ip
LIMIT $top
