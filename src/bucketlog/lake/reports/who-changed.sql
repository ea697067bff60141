-- Who deleted or changed a key
--
-- The newest changes first: uploads, copies, deletes one by one and in batches, what lifecycle
-- rules did, and changes of ACL, tags, retention, legal hold, and restores. Reads, parts of uploads
-- that are not complete yet, and the source half of a copy change nothing and are left out; a batch
-- delete shows each of its keys, and itself only when it was refused whole. Changes of a bucket's
-- configuration are in principal-activity.
-- S3 answers 204 to the delete of a key that wasn't there; object_size is null then. Delivery of
-- access logs is best effort, so what isn't here may have happened.
--
-- Columns:
--   time         when S3 received the request (UTC)
--   change       what was done
--   key          of the object, decoded
--   who          requester; "anonymous" where there is none, AmazonS3 for lifecycle rules
--   outcome      done, refused (401, 403), failed (other errors), unknown (no status was recorded)
--   remote_ip    where from; null for AWS itself
--   http_status  of this key; null for lifecycle rules
--   error_code   S3's word for what went wrong
--   bucket       where
--   version_id   the version named in the request or acted on
--   object_size  of the object stored or deleted (bytes)
--   operation    as recorded
--   user_agent   as the client calls itself; null for the keys of a batch
--   request_id   shared by all keys of one batch
SELECT
  time,
  CASE
    WHEN operation LIKE '%.MULTI_OBJECT_DELETE' THEN 'batch delete'
    WHEN operation LIKE 'BATCH.DELETE.%' THEN 'deleted, in a batch'
    WHEN operation LIKE '%.DELETE.OBJECT' THEN 'deleted'
    WHEN operation = 'S3.EXPIRE.OBJECT' THEN 'expired by lifecycle'
    WHEN operation = 'S3.CREATE.DELETEMARKER' THEN 'delete marker by lifecycle'
    WHEN operation LIKE 'S3.TRANSITION%' THEN 'moved by lifecycle'
    WHEN operation LIKE '%.COPY.%' OR operation = 'REST.PUT.COPY' THEN 'written by a copy'
    WHEN operation LIKE '%.ACL' THEN 'ACL'
    WHEN operation LIKE '%TAGGING' THEN 'tags'
    WHEN operation LIKE '%RETENTION' THEN 'retention'
    WHEN operation LIKE '%LEGAL%HOLD' THEN 'legal hold'
    WHEN operation LIKE '%.RESTORE' THEN 'restored'
    WHEN operation LIKE '%.PUT.OBJECT' OR operation LIKE '%.POST.OBJECT' THEN 'written'
    WHEN operation = 'REST.POST.UPLOAD' THEN 'written in parts'
    ELSE lower(operation)
  END AS change,
  key_decoded AS key,
  coalesce(requester, 'anonymous') AS who,
  CASE
    WHEN operation LIKE 'S3.%' OR http_status BETWEEN 200 AND 299 THEN 'done'
    WHEN http_status IN (401, 403) THEN 'refused'
    WHEN http_status IS NULL THEN 'unknown'
    ELSE 'failed'
  END AS outcome,
  remote_ip,
  http_status,
  error_code,
  bucket,
  version_id,
  object_size,
  operation,
  user_agent,
  request_id
FROM logs
WHERE
  CASE
    WHEN operation LIKE '%MULTI_OBJECT_DELETE' THEN http_status >= 400
    WHEN key_decoded IS NULL THEN false
    WHEN operation LIKE '%\_GET' ESCAPE '\' THEN false
    WHEN operation LIKE 'S3.%' THEN
      operation LIKE 'S3.EXPIRE.%'
      OR operation LIKE 'S3.TRANSITION%'
      OR operation = 'S3.CREATE.DELETEMARKER'
    WHEN operation LIKE 'BATCH.%' THEN true
    ELSE
      split_part(operation, '.', 2) IN ('PUT', 'POST', 'DELETE', 'COPY')
      AND operation NOT IN (
        'REST.PUT.PART', 'REST.COPY.PART', 'REST.POST.UPLOADS', 'REST.DELETE.UPLOAD',
        'REST.POST.SELECT', 'REST.POST.OBJECT_ATTRIBUTES'
      )
  END
ORDER BY time DESC, source_object DESC, line_number DESC
LIMIT $top
