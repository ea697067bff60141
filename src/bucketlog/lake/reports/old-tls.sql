-- Old TLS and plain HTTP
--
-- Who connects with TLS 1.0, TLS 1.1 or SSL, or without any encryption. AWS endpoints refuse TLS below
-- 1.2 today; plain HTTP they don't. Website endpoints know only plain HTTP. Records with fewer than 24
-- fields (before March 2019) say nothing about TLS and are left out, as are lifecycle rules, source
-- halves of copies, and AWS services that come from no address. A client can forge the TLS version
-- of a record of Amazon's: see parse_ambiguous.
--
-- Columns:
--   connection  plain HTTP, or the TLS version, spelt as in TLSv1.1
--   who         requester; "anonymous" where there is none
--   user_agent  as the client calls itself
--   requests    how many
--   answered    of them with a status below 400
--   addresses   different remote IPs
--   buckets     different buckets
--   host        an endpoint that was used
--   first       the earliest (UTC)
--   last        the latest (UTC)
SELECT
  coalesce(regexp_replace(tls_version, '^TLSv', 'TLSv', 'i'), 'plain HTTP') AS connection,
  coalesce(requester, 'anonymous') AS who,
  user_agent,
  count(*) AS requests,
  count(*) FILTER (http_status < 400) AS answered,
  count(DISTINCT remote_ip) AS addresses,
  count(DISTINCT bucket) AS buckets,
  max(host_header) AS host,
  min(time) AS first,
  max(time) AS last
FROM logs
WHERE
  coalesce(field_count, 24) >= 24
  AND NOT (operation LIKE 'S3.%' OR operation LIKE 'BATCH.%')
  AND operation NOT LIKE 'REST.COPY.%\_GET' ESCAPE '\'
  AND CASE
    WHEN tls_version IS NULL THEN cipher_suite IS NULL AND remote_ip IS NOT NULL
    ELSE regexp_matches(tls_version, '^(SSL|TLSv?1(\.[01])?$)', 'i')
  END
GROUP BY ALL
ORDER BY requests DESC, connection, who, user_agent
LIMIT $top
