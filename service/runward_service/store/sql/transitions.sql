-- name: insert_images
-- Images live once a tenant, by content. A small one whose bytes were lost gets them again.
INSERT INTO image (tenant, digest, size_bytes, create_time, data) VALUES {rows}
ON CONFLICT (digest, tenant) DO UPDATE SET data = excluded.data
WHERE image.data IS NULL AND excluded.data IS NOT NULL;

-- name: insert_jobs
INSERT INTO job (id, tenant, principal, request_id, mode, plugin, plugin_version, status, image_seq, mime_type, options,
                 labels, priority, timeout, queue_deadline, max_attempts, owner, claimable, retention, retry_of,
                 create_time, revision, skip_cache, change_time)
SELECT column1, column2, column3, column4, column5, column6, column7, column8,
       (SELECT seq FROM image WHERE digest = column9 AND tenant = column2), column10, column11, column12,
       column13, column14, column15, column16, column17, column18, column19, column20, column21, column22, column23, column21
FROM (VALUES {rows});

-- name: insert_whole_lives
-- Rows: those of insert_jobs, start_time, then those of finish_jobs from status on, but for the revision.
INSERT INTO job (id, tenant, principal, request_id, mode, plugin, plugin_version, status, image_seq, mime_type, options,
                 labels, priority, timeout, queue_deadline, max_attempts, owner, claimable, retention, retry_of,
                 create_time, revision, skip_cache, attempt, start_time, result, output_digest, error_reason,
                 error_message, error_details, error_plugin, error_time, end_time, change_time, code_digest, cached,
                 receipt_seq, receipt_marks)
SELECT column1, column2, column3, column4, column5, column6, column7, column25,
       (SELECT seq FROM image WHERE digest = column9 AND tenant = column2), column10, column11, column12,
       column13, column14, column15, column16, column17, column18, column19, column20, column21, column22, column23,
       1, column24, column26, column27, column28, column29, column30, column31, column32, column33, column33,
       column34, column35, column36, column37
FROM (VALUES {rows});

-- name: start_jobs
-- The caller's own process starts the SYNC jobs that it created. Rows: id, owner, time, revision.
UPDATE job SET status = 2, attempt = 1, start_time = v.column3, change_time = v.column3, revision = v.column4
FROM (VALUES {rows}) AS v
WHERE job.id = v.column1 AND job.status = 1 AND job.owner = v.column2;

-- name: finish_jobs
-- Fenced by status, owner and attempt: nothing is finished twice, and no one finishes what it no longer owns.
-- Rows: id, owner, attempt, status, result, output_digest, the error's reason, message, details, plugin and time,
-- end_time, revision, code_digest, cached, receipt_seq, receipt_marks.
UPDATE job SET status = v.column4, result = v.column5, output_digest = v.column6, error_reason = v.column7,
               error_message = v.column8, error_details = v.column9, error_plugin = v.column10, error_time = v.column11,
               end_time = v.column12, change_time = v.column12, revision = v.column13,
               code_digest = v.column14, cached = v.column15, receipt_seq = v.column16, receipt_marks = v.column17
FROM (VALUES {rows}) AS v
WHERE job.id = v.column1 AND job.status = 2 AND job.owner = v.column2 AND job.attempt = v.column3;

-- name: job_to_finish
SELECT 1 FROM job WHERE id = ? AND status = 2 AND owner = ? AND attempt = ?;

-- name: insert_traceback
INSERT INTO job_traceback (job_seq, attempt, traceback) SELECT seq, ?, ? FROM job WHERE id = ?
ON CONFLICT (job_seq, attempt) DO UPDATE SET traceback = excluded.traceback;

-- name: insert_artifact_image
-- An artifact's bytes, as a blob of the job's tenant; NULL where a file has them.
INSERT INTO image (tenant, digest, size_bytes, create_time, data) SELECT job.tenant, ?, ?, ?, ? FROM job WHERE job.id = ?
ON CONFLICT (digest, tenant) DO UPDATE SET data = excluded.data
WHERE image.data IS NULL AND excluded.data IS NOT NULL;

-- name: insert_artifact
-- Nothing where the tenant has no such blob.
INSERT INTO job_artifact (job_seq, place, name, image_seq, mime_type)
SELECT job.seq, ?, ?, image.seq, ? FROM job CROSS JOIN image ON image.digest = ? AND image.tenant = job.tenant WHERE job.id = ?;
