-- name: job_columns
-- The columns that runward_service.store.rows reads, in its order; {result} is the result or NULL.
job.id, job.tenant, job.principal, job.request_id, job.mode, job.plugin, job.plugin_version, job.status,
image.digest, image.size_bytes, job.mime_type, job.options, job.labels, job.priority, job.timeout,
job.queue_deadline, job.max_attempts, job.attempt, job.lost_attempts, job.owner, job.cancel_requested,
job.create_time, job.start_time, job.end_time, job.revision, job.progress_fraction, job.progress_message,
{result}, job.error_reason, job.error_message, job.error_details, job.error_plugin, job.error_time,
job.output_digest, job.cached, job.retention, job.retry_of, job.skip_cache,
CASE WHEN job.status = 3 THEN (
  SELECT json_group_array(json_array(artifact.name, blob.digest, blob.size_bytes, artifact.mime_type))
  FROM (SELECT name, image_seq, mime_type FROM job_artifact WHERE job_seq = job.seq ORDER BY place) AS artifact
  CROSS JOIN image AS blob ON blob.seq = artifact.image_seq) END,
job.code_digest

-- name: job_by_id
-- As job_columns, with its receipt last.
SELECT {columns_with_result}, chain.key_id, chain.receipt, job.receipt_marks, chain.seq, chain.mac
FROM job JOIN image ON image.seq = job.image_seq
LEFT JOIN receipt_chain AS chain ON chain.seq = job.receipt_seq
WHERE job.id = ?;

-- name: job_with_image
-- As job_by_id, with a small image's bytes last.
SELECT {columns_with_result}, image.data
FROM job JOIN image ON image.seq = job.image_seq
WHERE job.id = ?;

-- name: jobs_with_image
-- Rows: seq. Each job with a small image's bytes and its seq last.
SELECT {columns_with_result}, image.data, job.seq
FROM job JOIN image ON image.seq = job.image_seq
WHERE job.seq IN (VALUES {rows});

-- name: list_jobs
-- {among} is a condition that an index answers; it may be met by jobs that the filters are not.
SELECT {columns}, job.seq
FROM job JOIN image ON image.seq = job.image_seq
WHERE job.tenant = :tenant
  AND {among}
  AND job.seq < :before_seq
  AND (:plugin = '' OR job.plugin = :plugin)
  AND (:statuses = '[]' OR job.status IN (SELECT value FROM json_each(:statuses)))
  AND job.create_time >= :create_time_from
  AND job.create_time < :create_time_before
  AND (:labels = '{}' OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS want
    WHERE NOT EXISTS (SELECT 1 FROM json_each(job.labels) AS have WHERE have.key = want.key AND have.value = want.value)))
ORDER BY job.seq DESC
LIMIT :limit;

-- name: job_log_page
-- Changes of one job, in order of revision: those that the index has, or those of a whole life. CROSS JOIN keeps the job the
-- outer loop.
SELECT {columns}, event.revision, event.status, event.attempt, event.time, event.progress_fraction,
       event.progress_message
FROM (
  SELECT job_event.* FROM job CROSS JOIN job_event
  WHERE job.id = :id AND job_event.job_seq = job.seq AND job_event.of_whole_life = 0 AND job_event.revision > :after
  UNION ALL
  SELECT job_event.* FROM job CROSS JOIN job_event
  WHERE job.id = :id AND job_event.revision BETWEEN job.revision - 2 AND job.revision
    AND job_event.job_seq = job.seq AND job_event.of_whole_life = 1 AND job_event.revision > :after
  ORDER BY job_event.revision
  LIMIT :limit
) AS event CROSS JOIN job ON job.seq = event.job_seq
JOIN image ON image.seq = job.image_seq
ORDER BY event.revision;

-- name: log_tail
-- Changes of all jobs of all tenants, in order of revision.
SELECT {columns}, event.revision, event.status, event.attempt, event.time, event.progress_fraction,
       event.progress_message
FROM job_event AS event CROSS JOIN job ON job.seq = event.job_seq
JOIN image ON image.seq = job.image_seq
WHERE event.revision > ?
ORDER BY event.revision
LIMIT ?;

-- name: log_page
-- Changes of many jobs, in order of revision. CROSS JOIN keeps the log the outer loop, so that a page costs what it spans.
SELECT {columns}, event.revision, event.status, event.attempt, event.time, event.progress_fraction,
       event.progress_message
FROM job_event AS event CROSS JOIN job ON job.seq = event.job_seq
JOIN image ON image.seq = job.image_seq
WHERE event.revision > :after AND event.revision <= :upto
  AND job.tenant = :tenant
  AND (:plugin = '' OR job.plugin = :plugin)
  AND (:statuses = '[]' OR event.status IN (SELECT value FROM json_each(:statuses)))
  AND (:labels = '{}' OR NOT EXISTS (
    SELECT 1 FROM json_each(:labels) AS want
    WHERE NOT EXISTS (SELECT 1 FROM json_each(job.labels) AS have WHERE have.key = want.key AND have.value = want.value)))
ORDER BY event.revision
LIMIT :limit;

-- name: next_revision
SELECT min(revision) FROM job_event WHERE revision > ?;

-- name: last_revision
SELECT max(last_revision, coalesce((SELECT max(revision) FROM job_event), 0)) FROM retention;

-- name: log_floor
SELECT log_floor FROM retention;

-- name: owners
-- Every process that has not resigned, and every owner of an unfinished job.
SELECT id FROM owner UNION SELECT owner FROM job WHERE status IN (1, 2) AND owner > '';

-- name: data_version
PRAGMA data_version;

-- name: cancel_requests
SELECT id FROM job WHERE owner = ? AND status IN (1, 2) AND cancel_requested = 1;

-- name: owned_jobs
SELECT id FROM job WHERE owner = ? AND status IN (1, 2) ORDER BY seq;

-- name: claimable_plugins
SELECT DISTINCT plugin FROM queued;

-- name: expired_jobs
SELECT id FROM job WHERE claimable = 1 AND queue_deadline > 0 AND queue_deadline <= ? AND status = 1 ORDER BY queue_deadline LIMIT ?;

-- name: next_queue_deadline
SELECT min(queue_deadline) FROM job WHERE claimable = 1 AND queue_deadline > 0 AND status = 1;

-- name: queued_counts
-- Jobs that wait to be claimed, and PENDING ones whose callers wait; the first condition is the one of the index, of which
-- only the part with owners is read.
SELECT plugin, sum(jobs) FROM (
  SELECT plugin, jobs FROM queued
  UNION ALL SELECT plugin, 1 FROM job WHERE status IN (1, 2) AND owner > '' AND status = 1)
GROUP BY plugin;

-- name: queued
-- How many jobs of each plugin wait to be claimed, and how large their images are.
SELECT plugin, sum(jobs), sum(image_bytes) FROM queued GROUP BY plugin;

-- name: owner_count
SELECT count(*) FROM owner;

-- name: counters
SELECT plugin, success_count, error_count, run_count, total_duration, last_duration, last_used_time, cached_count
FROM plugin_counter;

-- name: durations
SELECT plugin, bucket, count FROM plugin_duration ORDER BY plugin, bucket;

-- name: disabled_plugins
SELECT plugin, reason FROM disabled_plugin;

-- name: tracebacks
SELECT attempt, traceback FROM job_traceback WHERE job_seq = (SELECT seq FROM job WHERE id = ?) ORDER BY attempt;

-- name: audited_chain
-- Every entry with its job, in the order of the chain; of the job also whether its end is the last change in the log.
SELECT chain.seq, chain.kind, chain.key_id, chain.job_id, chain.revision, chain.receipt, chain.content, chain.mac,
       chain.removed_by, job.receipt_seq, job.receipt_marks,
       event.job_seq IS job.seq AND event.status IS job.status AND event.attempt IS job.attempt
         AND event.time IS job.end_time AND job.change_time IS job.end_time AND job.claimable = 0
         AND event.progress_fraction IS job.progress_fraction AND event.progress_message IS job.progress_message,
       {columns_with_result}
FROM receipt_chain AS chain
LEFT JOIN job ON job.id = chain.job_id
LEFT JOIN image ON image.seq = job.image_seq
LEFT JOIN job_event AS event ON event.revision = job.revision
ORDER BY chain.seq;

-- name: unreceipted_jobs
-- Finished jobs that no entry of the chain belongs to.
SELECT job.id, job.receipt_seq, job.revision
FROM job LEFT JOIN receipt_chain AS chain ON chain.seq = job.receipt_seq AND chain.job_id = job.id
WHERE job.status IN (3, 4) AND chain.seq IS NULL
ORDER BY job.seq;

-- name: chain_length
SELECT count(*) FROM receipt_chain;

-- name: chain_content
SELECT kind, content FROM receipt_chain WHERE seq = ?;

-- name: image_digests
SELECT digest, size_bytes, data FROM image ORDER BY seq;
