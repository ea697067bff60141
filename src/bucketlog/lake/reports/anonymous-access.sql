-- Anonymous access
--
-- Requests without any signature, by bucket and operation, those that were answered first. A request
-- whose signature was refused has no requester either; it isn't anonymous and is left out (see
-- failed-access), as are lifecycle rules and AWS services. Website endpoints are always anonymous.
-- Records older than March 2019 don't tell whether there was a signature, but an error code may.
--
-- Columns:
--   bucket       where
--   operation    as recorded
--   answered     requests that got what they asked for (status below 400)
--   refused      requests with status 401 or 403
--   failed       requests with another status from 400 on
--   keys         different keys
--   addresses    different remote IPs
--   bytes_sent   bodies that were sent; none for HEAD (bytes)
--   example_key  one of them, decoded
--   first        the earliest (UTC)
--   last         the latest (UTC)
SELECT
  bucket,
  operation,
  count(*) FILTER (http_status < 400) AS answered,
  count(*) FILTER (http_status IN (401, 403)) AS refused,
  count(*) FILTER (http_status >= 400 AND http_status NOT IN (401, 403)) AS failed,
  count(DISTINCT key_decoded) AS keys,
  count(DISTINCT remote_ip) AS addresses,
  coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent,
  min(key_decoded) AS example_key,
  min(time) AS first,
  max(time) AS last
FROM logs
WHERE
  requester IS NULL
  AND signature_version IS NULL
  AND authentication_type IS NULL
  AND NOT coalesce(is_presigned, false)
  AND operation NOT LIKE 'S3.%'
  AND coalesce(error_code, '') NOT IN (
    'AuthorizationHeaderMalformed', 'AuthorizationQueryParametersError', 'ExpiredToken',
    'InvalidAccessKeyId', 'InvalidSecurity', 'InvalidToken', 'NotSignedUp', 'RequestExpired',
    'RequestTimeTooSkewed', 'SignatureDoesNotMatch', 'TokenRefreshRequired'
  )
GROUP BY bucket, operation
ORDER BY answered DESC, refused DESC, bucket, operation
LIMIT $top
