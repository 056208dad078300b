-- name: keep
-- Rows: key, checksum, size, job id. The newest job's takes the place of an earlier one's.
INSERT INTO kept_result (key, job_seq, checksum, size_bytes)
SELECT v.column1, job.seq, v.column2, v.column3
FROM (VALUES {rows}) AS v CROSS JOIN job ON job.id = v.column4
WHERE true
ON CONFLICT (key) DO UPDATE SET
  job_seq = excluded.job_seq, checksum = excluded.checksum, size_bytes = excluded.size_bytes;

-- name: renew
-- The same for jobs that were answered with what is kept, written some time after that.
INSERT INTO kept_result (key, job_seq, checksum, size_bytes)
SELECT v.column1, job.seq, v.column2, v.column3
FROM (VALUES {rows}) AS v CROSS JOIN job ON job.id = v.column4
WHERE true
ON CONFLICT (key) DO UPDATE SET
  job_seq = excluded.job_seq, checksum = excluded.checksum, size_bytes = excluded.size_bytes
WHERE excluded.job_seq > kept_result.job_seq;

-- name: find
-- Not where a file that the run gave is known to be lost, nor where outputs of the code are not trusted any more. Whoever asks
-- knows the output of one checksum: where it is that, the checksum is all that is read.
SELECT kept.checksum,
  CASE WHEN kept.checksum <> ?2 THEN (SELECT result FROM job WHERE seq = kept.job_seq) END,
  CASE WHEN kept.checksum <> ?2 THEN (SELECT output_digest FROM job WHERE seq = kept.job_seq) END,
  CASE WHEN kept.checksum <> ?2 THEN (
    SELECT json_group_array(json_array(artifact.name, blob.digest, blob.size_bytes, artifact.mime_type))
    FROM (SELECT name, image_seq, mime_type FROM job_artifact WHERE job_seq = kept.job_seq ORDER BY place) AS artifact
    CROSS JOIN image AS blob ON blob.seq = artifact.image_seq) END
FROM kept_result AS kept
WHERE kept.key = ?1 AND NOT EXISTS (
  SELECT 1 FROM job_artifact CROSS JOIN lost_image ON lost_image.image_seq = job_artifact.image_seq
  WHERE job_artifact.job_seq = kept.job_seq)
AND NOT EXISTS (
  SELECT 1 FROM plugin_verification
  WHERE plugin = ?3 AND plugin_version = ?4 AND code_digest = ?5 AND diverged_count > 0);

-- name: diverged
SELECT 1 FROM plugin_verification
WHERE plugin = ? AND plugin_version = ? AND code_digest = ? AND diverged_count > 0;

-- name: forget
DELETE FROM kept_result WHERE key = ?;

-- name: totals
SELECT count(*), coalesce(sum(size_bytes), 0) FROM kept_result;

-- name: oldest
SELECT job_seq, size_bytes FROM kept_result ORDER BY job_seq LIMIT ?;

-- name: evict
DELETE FROM kept_result WHERE job_seq <= ?;
