-- Requests and errors over time
--
-- How many requests, errors and bytes there were in each stretch of time. Stretches are as long as
-- fits what is between the first and the last request: a minute (up to 3 hours), 10 minutes (a day),
-- an hour (8 days), 6 hours (45 days), a day (2 years), or a week, and begin at a round time in UTC
-- (weeks on Monday). Stretches without any request are there with zeros. Keys of a batch delete,
-- source halves of copies and lifecycle rules are no requests and are left out. --top doesn't apply.
--
-- Columns:
--   time           where the stretch begins (UTC)
--   seconds        how long it is (s)
--   requests       how many
--   client_errors  of them with a status from 400 to 499
--   server_errors  of them with a status from 500 on
--   throttled      of the server errors those with status 503
--   bytes_sent     bodies that were sent; none for HEAD (bytes)
WITH minutes AS MATERIALIZED (
  SELECT
    epoch(date_trunc('minute', time))::BIGINT AS minute,
    count(*) AS requests,
    count(*) FILTER (http_status BETWEEN 400 AND 499) AS client_errors,
    count(*) FILTER (http_status >= 500) AS server_errors,
    count(*) FILTER (http_status = 503) AS throttled,
    coalesce(sum(bytes_sent) FILTER (operation NOT LIKE '%.HEAD.%'), 0)::BIGINT AS bytes_sent
  FROM logs
  WHERE NOT (
    operation LIKE 'BATCH.%' OR operation LIKE 'S3.%'
    OR operation LIKE 'REST.COPY.%\_GET' ESCAPE '\'
  )
  GROUP BY minute
),
width AS (
  SELECT
    min(minute) AS first_minute,
    max(minute) AS last_minute,
    CASE
      WHEN max(minute) - min(minute) <= 3 * 3600 THEN 60
      WHEN max(minute) - min(minute) <= 86400 THEN 600
      WHEN max(minute) - min(minute) <= 8 * 86400 THEN 3600
      WHEN max(minute) - min(minute) <= 45 * 86400 THEN 6 * 3600
      WHEN max(minute) - min(minute) <= 2 * 366 * 86400 THEN 86400
      ELSE 7 * 86400
    END AS seconds,
    CASE WHEN max(minute) - min(minute) > 2 * 366 * 86400 THEN 4 * 86400 ELSE 0 END AS monday
  FROM minutes
),
stretches AS (
  SELECT
    seconds,
    unnest(generate_series(
      (first_minute - monday) // seconds * seconds + monday,
      (last_minute - monday) // seconds * seconds + monday,
      seconds
    )) AS begins
  FROM width
  WHERE first_minute IS NOT NULL
),
filled AS (
  SELECT
    (minute - monday) // seconds * seconds + monday AS begins,
    sum(requests) AS requests,
    sum(client_errors) AS client_errors,
    sum(server_errors) AS server_errors,
    sum(throttled) AS throttled,
    sum(bytes_sent) AS bytes_sent
  FROM minutes, width
  GROUP BY begins
)
SELECT
  to_timestamp(stretches.begins) AS time,
  stretches.seconds,
  coalesce(requests, 0)::BIGINT AS requests,
  coalesce(client_errors, 0)::BIGINT AS client_errors,
  coalesce(server_errors, 0)::BIGINT AS server_errors,
  coalesce(throttled, 0)::BIGINT AS throttled,
  coalesce(bytes_sent, 0)::BIGINT AS bytes_sent
FROM stretches LEFT JOIN filled USING (begins)
ORDER BY time
