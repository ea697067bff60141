-- Bytes by requester
--
-- Who got how much, most first. Bytes are what S3 sent as bodies: a range counts what was asked for
-- of it and sent, a download that was cut short what was sent. A HEAD sends no body even where its
-- record has bytes, and doesn't count. What was sent may still not have arrived.
--
-- Columns:
--   who            requester; "anonymous" where there is none
--   requests       records, but for keys of batch deletes, source halves of copies and lifecycle
--   bytes_sent     all bodies (bytes)
--   share_percent  of the bytes of all requesters together (%)
--   object_bytes   of them what was objects: GET with status 200 or 206 (bytes)
--   downloads      GET of an object with status 200 or 206
--   partial        of them ranges (206)
--   cut_short      of them those with status 200 that sent less than the object
--   bytes_stored   size of what was uploaded, parts when they are put together (bytes)
--   addresses      different remote IPs
--   first          the earliest (UTC)
--   last           the latest (UTC)
WITH by_requester AS (
  SELECT
    coalesce(requester, 'anonymous') AS who,
    count(*) AS requests,
    coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent,
    coalesce(sum(bytes_sent) FILTER (is_download), 0)::BIGINT AS object_bytes,
    count(*) FILTER (is_download) AS downloads,
    count(*) FILTER (is_download AND http_status = 206) AS partial,
    count(*) FILTER (
      is_download AND http_status = 200 AND coalesce(bytes_sent, 0) < object_size
    ) AS cut_short,
    coalesce(sum(object_size) FILTER (
      operation IN ('REST.PUT.OBJECT', 'REST.POST.OBJECT', 'REST.POST.UPLOAD', 'SOAP.PUT.OBJECT')
      AND http_status BETWEEN 200 AND 299
    ), 0)::BIGINT AS bytes_stored,
    count(DISTINCT remote_ip) AS addresses,
    min(time) AS first,
    max(time) AS last
  FROM (
    SELECT *, operation LIKE '%.GET.OBJECT' AND http_status IN (200, 206) AS is_download
    FROM logs
    WHERE NOT (
      operation LIKE 'BATCH.%' OR operation LIKE 'S3.%'
      OR operation LIKE 'REST.COPY.%\_GET' ESCAPE '\'
    )
  )
  GROUP BY requester
)
SELECT
  who,
  requests,
  bytes_sent,
  round(100.0 * bytes_sent / nullif(sum(bytes_sent) OVER (), 0), 2) AS share_percent,
  object_bytes,
  downloads,
  partial,
  cut_short,
  bytes_stored,
  addresses,
  first,
  last
FROM by_requester
ORDER BY bytes_sent DESC, requests DESC, who
LIMIT $top
