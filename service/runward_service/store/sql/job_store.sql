-- name: job_by_request_id
-- The last condition is that of the index, which would not be used without it.
SELECT id FROM job WHERE tenant = ? AND principal = ? AND request_id = ? AND request_id <> '';

-- name: jobs_by_request_id
-- Rows: tenant, principal, request_id. CROSS JOIN keeps the rows the outer loop.
SELECT job.tenant, job.principal, job.request_id, job.id
FROM (VALUES {rows}) AS v
CROSS JOIN job ON job.tenant = v.column1 AND job.principal = v.column2 AND job.request_id = v.column3
  AND job.request_id <> '';

-- name: next_attempt
-- An attempt that was lost, or that the plugin's retry policy names, is followed by another; the job stays RUNNING.
-- lost_attempts counts both: all attempts that max_attempts bounds, thus not those that a drain gave back.
UPDATE job SET attempt = attempt + 1, lost_attempts = lost_attempts + 1, change_time = ?, revision = ?,
               progress_fraction = NULL, progress_message = ''
WHERE id = ? AND status = 2 AND owner = ? AND attempt = ?;

-- name: begin_ending
-- A job that ends without a run passes through RUNNING in the same transaction.
UPDATE job SET status = 2, start_time = ?, owner = ?, claimable = 0, change_time = ?, revision = ?
WHERE id = ? AND status = 1 AND owner = ?;

-- name: take_over
-- Takes a RUNNING job of an owner that is proved dead, or of none, so that it can be finished.
UPDATE job SET owner = ?, claimable = 0 WHERE id = ? AND status = 2 AND owner = ? AND attempt = ?;

-- name: set_progress
UPDATE job SET progress_fraction = ?, progress_message = ?, change_time = ?, revision = ?
WHERE id = ? AND status = 2 AND owner = ?;

-- name: request_cancel
UPDATE job SET cancel_requested = 1 WHERE id = ? AND status IN (1, 2);

-- name: release_drained
-- A drain gives running ASYNC jobs back; the attempt is not counted as lost.
UPDATE job SET owner = '', claimable = 1 WHERE owner = ? AND status = 2 AND mode = 2;

-- name: release_lost
-- A dead owner's ASYNC job that has attempts left becomes claimable again, still RUNNING. One that was claimed ahead and
-- cannot have begun has lost none.
UPDATE job SET owner = '', claimable = 1, lost_attempts = lost_attempts + lost.attempts
FROM (
  SELECT job.seq, coalesce((
    SELECT min(job_event.revision) <= claimed_ahead.begun_upto FROM job_event
    WHERE job_event.job_seq = job.seq AND job_event.of_whole_life = 0
      AND job_event.status = 2 AND job_event.attempt = job.attempt
  ), 1) AS attempts
  FROM job LEFT JOIN claimed_ahead ON claimed_ahead.owner = job.owner
  WHERE job.owner = ? AND job.status = 2
) AS lost
WHERE job.seq = lost.seq AND job.mode = 2 AND job.cancel_requested = 0
  AND job.lost_attempts + lost.attempts < job.max_attempts;

-- name: add_counters
INSERT INTO plugin_counter (plugin, success_count, error_count, run_count, total_duration, last_duration, last_used_time,
                            cached_count)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (plugin) DO UPDATE SET
  success_count = success_count + excluded.success_count,
  error_count = error_count + excluded.error_count,
  run_count = run_count + excluded.run_count,
  total_duration = total_duration + excluded.total_duration,
  last_duration = CASE WHEN excluded.run_count > 0 THEN excluded.last_duration ELSE last_duration END,
  last_used_time = max(last_used_time, excluded.last_used_time),
  cached_count = cached_count + excluded.cached_count;

-- name: add_durations
INSERT INTO plugin_duration (plugin, bucket, count) VALUES {rows}
ON CONFLICT (plugin, bucket) DO UPDATE SET count = count + excluded.count;

-- name: disable_plugin
INSERT INTO disabled_plugin (plugin, reason, time) VALUES (?, ?, ?)
ON CONFLICT (plugin) DO UPDATE SET reason = excluded.reason;

-- name: enable_plugin
DELETE FROM disabled_plugin WHERE plugin = ?;

-- name: insert_owner
INSERT INTO owner (id, pid, start_time) VALUES (?, ?, ?);

-- name: delete_owner
DELETE FROM owner WHERE id = ? AND NOT EXISTS (SELECT 1 FROM job WHERE owner = ? AND status IN (1, 2));

-- name: delete_claimed_ahead
DELETE FROM claimed_ahead WHERE owner = ?;

-- name: delete_probe
-- The picture that a probe of the store wrote; no job has that tenant.
DELETE FROM image WHERE digest = ? AND tenant = ?;

-- name: heads
-- Where the log and the chain of receipts end: the last revision, and the last entry; NULL where there is none.
SELECT max(last_revision, coalesce((SELECT max(revision) FROM job_event), 0)), chain.seq, chain.mac, chain.key_id
FROM retention LEFT JOIN receipt_chain AS chain ON chain.seq = (SELECT max(seq) FROM receipt_chain);
