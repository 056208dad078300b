-- How verifications of a plugin's jobs ended, by the code that they ran, and the last one that diverged. Where one has, no
-- output of that code stands for another run.
CREATE TABLE plugin_verification (
  plugin TEXT NOT NULL,
  plugin_version TEXT NOT NULL,
  code_digest TEXT NOT NULL,
  reproducible_count INTEGER NOT NULL DEFAULT 0,
  diverged_count INTEGER NOT NULL DEFAULT 0,
  unverifiable_count INTEGER NOT NULL DEFAULT 0,
  diverged_job TEXT NOT NULL DEFAULT '',
  diverged_path TEXT NOT NULL DEFAULT '',
  diverged_time INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (plugin, plugin_version, code_digest)
) STRICT, WITHOUT ROWID;

-- A path may hold names that the job's output had: they go with it.
CREATE TRIGGER job_divergence_is_erased AFTER DELETE ON job
BEGIN
  UPDATE plugin_verification SET diverged_path = '' WHERE diverged_job = OLD.id AND diverged_path <> '';
END;
