-- The outputs that stand for those of equal jobs: each is that of a job that is there, and goes with it. The key is a digest of
-- what the output follows from (runward_service.runtime.result_cache). The greater a job's number, the later its output was asked for.
CREATE TABLE kept_result (
  key BLOB PRIMARY KEY CHECK (length(key) = 32),
  job_seq INTEGER NOT NULL UNIQUE REFERENCES job (seq) ON DELETE CASCADE,
  checksum BLOB NOT NULL CHECK (length(checksum) = 32), -- SHA-256 of the output's digest and its encoded bytes
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0)
) STRICT, WITHOUT ROWID;

ALTER TABLE job ADD COLUMN skip_cache INTEGER NOT NULL DEFAULT 0 CHECK (skip_cache IN (0, 1));

-- Jobs that ended SUCCESS without a run of their own; success_count has them too.
ALTER TABLE plugin_counter ADD COLUMN cached_count INTEGER NOT NULL DEFAULT 0;
