-- Top keys
--
-- The keys asked for most. A download is an answered GET of the object, whole (200) or a range (206);
-- it was cut short when a 200 sent fewer bytes than the object has, because the client went away. A
-- copy from a key is counted as such, not as a download. Lifecycle rules are no requests and are left
-- out; keys of a batch delete count each.
--
-- Columns:
--   bucket       where
--   key          decoded
--   requests     records that name the key
--   downloads    GET of the object with status 200 or 206
--   cut_short    of them those with status 200 that sent less than the object
--   copied_from  times it was the source of a copy
--   writes       uploads and copies to it that succeeded
--   deletes      deletes that succeeded
--   errors       records with a status from 400 on
--   bytes_sent   bodies that were sent; none for HEAD (bytes)
--   last         the latest (UTC)
SELECT
  bucket,
  key_decoded AS key,
  count(*) AS requests,
  count(*) FILTER (operation LIKE '%.GET.OBJECT' AND http_status IN (200, 206)) AS downloads,
  count(*) FILTER (
    operation LIKE '%.GET.OBJECT' AND http_status = 200 AND coalesce(bytes_sent, 0) < object_size
  ) AS cut_short,
  count(*) FILTER (operation LIKE 'REST.COPY.%\_GET' ESCAPE '\' AND http_status = 200) AS copied_from,
  count(*) FILTER (
    split_part(operation, '.', 2) IN ('PUT', 'POST', 'COPY')
    AND (operation LIKE '%.OBJECT' OR operation = 'REST.POST.UPLOAD')
    AND http_status BETWEEN 200 AND 299
  ) AS writes,
  count(*) FILTER (operation LIKE '%.DELETE.OBJECT' AND http_status BETWEEN 200 AND 299) AS deletes,
  count(*) FILTER (http_status >= 400) AS errors,
  coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent,
  max(time) AS last
FROM logs
WHERE key_decoded IS NOT NULL AND operation NOT LIKE 'S3.%'
GROUP BY bucket, key_decoded
ORDER BY requests DESC, bytes_sent DESC, bucket, key
LIMIT $top
