-- Latency by operation
--
-- How long S3 took, by operation: the time within which half, 90 % and 99 % of the requests were
-- answered, exactly (nearest rank). The total time runs from the request's arrival to the last byte of the
-- answer, so the client's line counts; the turn-around time is S3's own, from the request's last
-- byte to the answer's first. Records without a time (keys of a batch, source halves of copies,
-- lifecycle rules; turn-around often) don't count. Errors count, and are quick. Busiest first.
--
-- Columns:
--   operation  as recorded
--   requests   records with a total time
--   total_p50  half were done within (ms)
--   total_p90  90 % were done within (ms)
--   total_p99  99 % were done within (ms)
--   total_max  the longest (ms)
--   turn_around_p50  turn-around time of half was within (ms)
--   turn_around_p90  of 90 % (ms)
--   turn_around_p99  of 99 % (ms)
--   turn_around_max  the longest (ms)
--   bytes_per_second  of answers above 1 MB: bytes sent by the total time (bytes/s)
WITH pairs AS MATERIALIZED (
  -- Times are whole milliseconds, so there are far fewer pairs than requests.
  SELECT
    operation,
    total_time,
    turn_around_time,
    count(*) AS n,
    sum(bytes_sent) FILTER (bytes_sent >= 1000000 AND total_time > 0) AS large_bytes,
    sum(total_time) FILTER (bytes_sent >= 1000000 AND total_time > 0) AS large_ms
  FROM logs
  WHERE total_time IS NOT NULL
  GROUP BY ALL
),
totals AS (
  SELECT operation, total_time AS ms, sum(n) AS n FROM pairs GROUP BY ALL
),
total_ranks AS (
  SELECT
    operation,
    ms,
    sum(n) OVER (PARTITION BY operation ORDER BY ms) AS rank,
    sum(n) OVER (PARTITION BY operation) AS requests
  FROM totals
),
total AS (
  SELECT
    operation,
    any_value(requests)::BIGINT AS requests,
    min(ms) FILTER (rank * 100 >= requests * 50) AS p50,
    min(ms) FILTER (rank * 100 >= requests * 90) AS p90,
    min(ms) FILTER (rank * 100 >= requests * 99) AS p99,
    max(ms) AS longest
  FROM total_ranks
  GROUP BY operation
),
turns AS (
  SELECT operation, turn_around_time AS ms, sum(n) AS n
  FROM pairs
  WHERE turn_around_time IS NOT NULL
  GROUP BY ALL
),
turn_ranks AS (
  SELECT
    operation,
    ms,
    sum(n) OVER (PARTITION BY operation ORDER BY ms) AS rank,
    sum(n) OVER (PARTITION BY operation) AS requests
  FROM turns
),
turn AS (
  SELECT
    operation,
    min(ms) FILTER (rank * 100 >= requests * 50) AS p50,
    min(ms) FILTER (rank * 100 >= requests * 90) AS p90,
    min(ms) FILTER (rank * 100 >= requests * 99) AS p99,
    max(ms) AS longest
  FROM turn_ranks
  GROUP BY operation
),
large AS (
  SELECT operation, sum(large_bytes) * 1000 // sum(large_ms) AS speed FROM pairs GROUP BY operation
)
SELECT
  operation,
  requests,
  total.p50 AS total_p50,
  total.p90 AS total_p90,
  total.p99 AS total_p99,
  total.longest AS total_max,
  turn.p50 AS turn_around_p50,
  turn.p90 AS turn_around_p90,
  turn.p99 AS turn_around_p99,
  turn.longest AS turn_around_max,
  speed::BIGINT AS bytes_per_second
FROM total LEFT JOIN turn USING (operation) LEFT JOIN large USING (operation)
ORDER BY requests DESC, operation
LIMIT $top
