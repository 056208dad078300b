-- name: any
SELECT count(*) FROM sqlite_schema;

-- name: image_files
SELECT DISTINCT digest FROM image WHERE data IS NULL ORDER BY digest;

-- name: lost_image
SELECT 1 FROM lost_image JOIN image ON image.seq = lost_image.image_seq WHERE image.digest = ? LIMIT 1;

-- name: image_now
-- When an image was found to be lost, or NULL; whether a row has its bytes.
SELECT (SELECT max(time) FROM lost_image JOIN image AS lost ON lost.seq = lost_image.image_seq WHERE lost.digest = image.digest),
       max(data IS NOT NULL)
FROM image WHERE digest = ? GROUP BY digest;

-- name: mark_lost
INSERT INTO lost_image (image_seq, time) SELECT seq, ? FROM image WHERE digest = ? AND data IS NULL ON CONFLICT DO NOTHING;

-- name: small_images
SELECT digest, data FROM image WHERE data IS NOT NULL;

-- name: unfinished_with_image
SELECT 1 FROM job JOIN image ON image.seq = job.image_seq WHERE image.digest = ? AND job.status IN (1, 2) LIMIT 1;

-- name: delete_jobs_with_image
WITH gone AS (SELECT seq FROM image WHERE digest = ?)
DELETE FROM job
WHERE image_seq IN (SELECT seq FROM gone)
   OR seq IN (SELECT job_seq FROM job_artifact WHERE image_seq IN (SELECT seq FROM gone))
RETURNING receipt_seq;

-- name: delete_image
DELETE FROM image WHERE digest = ?;

-- name: delete_unused_images
DELETE FROM image
WHERE seq NOT IN (SELECT image_seq FROM job UNION SELECT image_seq FROM upload UNION SELECT image_seq FROM job_artifact);

-- name: count_past_again
UPDATE retention SET past_jobs = (SELECT coalesce(sum(success_count + error_count), 0) FROM plugin_counter)
                               - (SELECT count(*) FROM job WHERE end_time > 0 AND revision > looked_upto);

-- name: skip_revisions
UPDATE retention SET last_revision = ? + max(last_revision, coalesce((SELECT max(revision) FROM job_event), 0));

-- name: compact_all
UPDATE retention SET log_floor = max(log_floor, last_revision);

-- name: job_count
SELECT count(*) FROM job;
