-- name: retention
-- Up to where jobs have been looked at, the settings, and how many finished jobs there are after that.
SELECT looked_upto, retain_for, retain_jobs,
       (SELECT coalesce(sum(success_count + error_count), 0) FROM plugin_counter) - past_jobs
FROM retention;

-- name: set_policy
UPDATE retention SET retain_for = ?, retain_jobs = ?;

-- name: log_head
-- The oldest events that have not been looked at. CROSS JOIN keeps the log the outer loop.
SELECT event.revision, event.time, event.status, event.job_seq, job.revision, job.retention,
       CASE WHEN image.data IS NULL THEN 0 ELSE image.size_bytes END +
       (SELECT coalesce(sum(blob.size_bytes), 0)
        FROM job_artifact CROSS JOIN image AS blob ON blob.seq = job_artifact.image_seq
        WHERE job_artifact.job_seq = job.seq AND blob.data IS NOT NULL)
FROM job_event AS event CROSS JOIN job ON job.seq = event.job_seq CROSS JOIN image ON image.seq = job.image_seq
WHERE event.revision > ?
ORDER BY event.revision
LIMIT ?;

-- name: raise_floor
UPDATE retention SET looked_upto = ?, log_floor = max(log_floor, ?), past_jobs = past_jobs + ?;

-- name: count_past
UPDATE retention SET past_jobs = past_jobs + ?;

-- name: outlived_jobs
-- Finished jobs whose own retention has passed.
SELECT job.seq, job.revision,
       CASE WHEN image.data IS NULL THEN 0 ELSE image.size_bytes END +
       (SELECT coalesce(sum(blob.size_bytes), 0)
        FROM job_artifact CROSS JOIN image AS blob ON blob.seq = job_artifact.image_seq
        WHERE job_artifact.job_seq = job.seq AND blob.data IS NOT NULL)
FROM job CROSS JOIN image ON image.seq = job.image_seq
WHERE job.retention > 0 AND job.end_time > 0 AND job.end_time + job.retention <= ?
ORDER BY job.end_time + job.retention
LIMIT ?;

-- name: delete_events
DELETE FROM job_event WHERE revision IN (SELECT value FROM json_each(?));

-- name: count_events_of_jobs
-- CROSS JOIN keeps the jobs the outer loop.
WITH gone AS MATERIALIZED (SELECT value AS seq FROM json_each(?))
SELECT count(*) FROM (
  SELECT 1 FROM gone CROSS JOIN job_event
  WHERE job_event.job_seq = gone.seq AND job_event.of_whole_life = 0
  UNION ALL
  SELECT 1 FROM gone CROSS JOIN job ON job.seq = gone.seq CROSS JOIN job_event
  WHERE job_event.revision IN (job.revision - 2, job.revision - 1, job.revision)
    AND job_event.job_seq = job.seq AND job_event.of_whole_life = 1);

-- name: artifacts_of_jobs
SELECT job_artifact.image_seq, image.digest
FROM job_artifact CROSS JOIN image ON image.seq = job_artifact.image_seq
WHERE job_artifact.job_seq IN (SELECT value FROM json_each(?));

-- name: delete_jobs
-- With their events.
DELETE FROM job WHERE seq IN (SELECT value FROM json_each(?)) RETURNING image_seq, receipt_seq;

-- name: delete_unused_images
DELETE FROM image
WHERE seq IN (SELECT value FROM json_each(?))
  AND NOT EXISTS (SELECT 1 FROM job WHERE job.image_seq = image.seq)
  AND NOT EXISTS (SELECT 1 FROM upload WHERE upload.image_seq = image.seq)
  AND NOT EXISTS (SELECT 1 FROM job_artifact WHERE job_artifact.image_seq = image.seq)
RETURNING digest, size_bytes, data IS NULL;

-- name: end_uploads
-- Blobs that were uploaded go with a job that is deleted on request.
DELETE FROM upload WHERE image_seq IN (SELECT value FROM json_each(?));

-- name: outlived_uploads
SELECT upload.image_seq, CASE WHEN image.data IS NULL THEN 0 ELSE image.size_bytes END
FROM upload CROSS JOIN image ON image.seq = upload.image_seq
WHERE upload.expire_time <= ?
ORDER BY upload.expire_time
LIMIT ?;

-- name: insert_unused_files
INSERT INTO unused_image_file (digest) SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING;

-- name: mark_unused_files
INSERT INTO unused_image_file (digest) SELECT value FROM json_each(?)
WHERE NOT EXISTS (SELECT 1 FROM image WHERE image.digest = value) ON CONFLICT DO NOTHING;

-- name: unused_files
SELECT digest FROM unused_image_file LIMIT ?;

-- name: image_exists
SELECT 1 FROM image WHERE digest = ? LIMIT 1;

-- name: forget_unused_files
DELETE FROM unused_image_file WHERE digest IN (SELECT value FROM json_each(?));

-- name: job_to_delete
SELECT job.seq, job.tenant, job.status, job.revision, image.digest
FROM job JOIN image ON image.seq = job.image_seq
WHERE job.id = ?;

-- name: deletion_of_job
SELECT 1 FROM job_deletion WHERE job_id = ? AND tenant = ?;

-- name: insert_deletion
INSERT INTO job_deletion (revision, job_id, tenant, principal, time) VALUES (?, ?, ?, ?, ?);

-- name: take_revision
-- A deletion has a revision and no event, for its job is gone: the next event must not be given the same one.
UPDATE retention SET last_revision = ?;

-- name: delete_old_deletions
DELETE FROM job_deletion WHERE revision <= ?;
