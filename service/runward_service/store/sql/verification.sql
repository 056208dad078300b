-- name: count_verification
INSERT INTO plugin_verification (plugin, plugin_version, code_digest, reproducible_count, diverged_count,
                                 unverifiable_count, diverged_job, diverged_path, diverged_time)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (plugin, plugin_version, code_digest) DO UPDATE SET
  reproducible_count = reproducible_count + excluded.reproducible_count,
  diverged_count = diverged_count + excluded.diverged_count,
  unverifiable_count = unverifiable_count + excluded.unverifiable_count,
  diverged_job = CASE WHEN excluded.diverged_count THEN excluded.diverged_job ELSE diverged_job END,
  diverged_path = CASE WHEN excluded.diverged_count THEN excluded.diverged_path ELSE diverged_path END,
  diverged_time = max(diverged_time, excluded.diverged_time);

-- name: verifications
SELECT plugin, plugin_version, code_digest, reproducible_count, diverged_count, unverifiable_count, diverged_job, diverged_path, diverged_time
FROM plugin_verification;

-- name: input_of_job
-- A small image's bytes; NULL where a file has them.
SELECT image.data FROM job JOIN image ON image.seq = job.image_seq WHERE job.id = ?;
