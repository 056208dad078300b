-- Jobs refer to their image by a number, so that those of an image are found through an index that new jobs append to.
-- The digest leads the images' own index: files are shared by tenants, and are asked for by digest alone.
CREATE TABLE image_by_number (
  seq INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  digest TEXT NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  create_time INTEGER NOT NULL,
  data BLOB CHECK (data IS NULL OR length(data) = size_bytes), -- NULL: the file of this digest holds the bytes
  UNIQUE (digest, tenant)
) STRICT;

INSERT INTO image_by_number (tenant, digest, size_bytes, create_time, data)
SELECT tenant, digest, size_bytes, create_time, data FROM image ORDER BY rowid;

CREATE TABLE job_with_retention (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  request_id TEXT NOT NULL DEFAULT '',
  mode INTEGER NOT NULL CHECK (mode IN (1, 2)),
  plugin TEXT NOT NULL CHECK (plugin <> ''),
  plugin_version TEXT NOT NULL,
  status INTEGER NOT NULL CHECK (status IN (1, 2, 3, 4)),
  image_seq INTEGER NOT NULL REFERENCES image (seq),
  mime_type TEXT NOT NULL CHECK (mime_type <> ''),
  options TEXT NOT NULL CHECK (json_valid(options)),
  labels TEXT NOT NULL CHECK (json_valid(labels)),
  priority INTEGER NOT NULL,
  timeout INTEGER NOT NULL CHECK (timeout > 0),
  queue_deadline INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
  attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  lost_attempts INTEGER NOT NULL DEFAULT 0 CHECK (lost_attempts BETWEEN 0 AND attempt),
  owner TEXT NOT NULL DEFAULT '',            -- the process that runs it; of a SYNC job, also the one that waits for it
  lease_expire_time INTEGER NOT NULL DEFAULT 0,
  claimable INTEGER NOT NULL CHECK (claimable IN (0, 1)),
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  create_time INTEGER NOT NULL,
  start_time INTEGER NOT NULL DEFAULT 0,
  end_time INTEGER NOT NULL DEFAULT 0,
  change_time INTEGER NOT NULL,
  revision INTEGER NOT NULL CHECK (revision > 0),
  progress_fraction REAL CHECK (progress_fraction BETWEEN 0 AND 1),
  progress_message TEXT NOT NULL DEFAULT '',
  result BLOB,
  output_digest TEXT NOT NULL DEFAULT '',
  cached INTEGER NOT NULL DEFAULT 0 CHECK (cached IN (0, 1)),
  error_reason TEXT,
  error_message TEXT,
  error_details TEXT CHECK (error_details IS NULL OR json_valid(error_details)),
  error_plugin TEXT,
  error_time INTEGER,
  retention INTEGER NOT NULL DEFAULT 0 CHECK (retention >= 0), -- after its end; 0: as long as the server keeps jobs
  retry_of TEXT NOT NULL DEFAULT '',                           -- the id of the failed job whose input this one has
  CHECK ((status = 1) = (start_time = 0)),
  CHECK ((status IN (3, 4)) = (end_time > 0)),
  CHECK ((status = 3) = (result IS NOT NULL)),
  CHECK ((status = 4) = (error_reason IS NOT NULL)),
  CHECK (status <> 1 OR attempt = 0),
  CHECK (claimable = 0 OR (status IN (1, 2) AND owner = '' AND mode = 2)),
  CHECK (status <> 3 OR attempt >= 1)
) STRICT;

INSERT INTO job_with_retention (
  seq, id, tenant, principal, request_id, mode, plugin, plugin_version, status, image_seq, mime_type, options, labels,
  priority, timeout, queue_deadline, max_attempts, attempt, lost_attempts, owner, lease_expire_time, claimable,
  cancel_requested, create_time, start_time, end_time, change_time, revision, progress_fraction, progress_message, result,
  output_digest, cached, error_reason, error_message, error_details, error_plugin, error_time)
SELECT
  seq, id, tenant, principal, request_id, mode, plugin, plugin_version, status,
  (SELECT image.seq FROM image_by_number AS image WHERE image.tenant = job.tenant AND image.digest = job.image_digest),
  mime_type, options, labels,
  priority, timeout, queue_deadline, max_attempts, attempt, lost_attempts, owner, lease_expire_time, claimable,
  cancel_requested, create_time, start_time, end_time, change_time, revision, progress_fraction, progress_message, result,
  output_digest, cached, error_reason, error_message, error_details, error_plugin, error_time
FROM job ORDER BY seq;

-- With them go their indexes and triggers. Foreign keys are off during migrations, so events and tracebacks stay.
DROP TABLE job;
DROP TABLE image;
ALTER TABLE image_by_number RENAME TO image;
ALTER TABLE job_with_retention RENAME TO job;

CREATE UNIQUE INDEX job_request_id ON job (tenant, principal, request_id) WHERE request_id <> '';
CREATE INDEX job_claimable ON job (plugin, priority DESC, seq) WHERE claimable = 1;
CREATE INDEX job_queue_deadline ON job (queue_deadline) WHERE claimable = 1 AND queue_deadline > 0;
CREATE INDEX job_unfinished ON job (owner) WHERE status IN (1, 2);
CREATE INDEX job_image ON job (image_seq);
-- Finished jobs with a retention of their own; all others are found in the log, in the order in which they ended.
CREATE INDEX job_expire_time ON job (end_time + retention) WHERE retention > 0 AND end_time > 0;

CREATE TRIGGER job_starts_pending BEFORE INSERT ON job WHEN NEW.status <> 1
BEGIN
  SELECT RAISE(ABORT, 'a job starts PENDING');
END;

CREATE TRIGGER job_status_transition BEFORE UPDATE OF status ON job
WHEN NOT (
  (OLD.status = NEW.status AND OLD.status IN (1, 2))
  OR (OLD.status = 1 AND NEW.status = 2)
  OR (OLD.status = 2 AND NEW.status IN (3, 4))
)
BEGIN
  SELECT RAISE(ABORT, 'no such transition of a job status');
END;

CREATE TRIGGER job_terminal_is_final BEFORE UPDATE ON job WHEN OLD.status IN (3, 4)
BEGIN
  SELECT RAISE(ABORT, 'a finished job does not change');
END;

CREATE TRIGGER job_change_has_revision
BEFORE UPDATE OF status, attempt, progress_fraction, progress_message, revision ON job
WHEN NEW.revision <= OLD.revision
BEGIN
  SELECT RAISE(ABORT, 'a change of a job takes a new revision');
END;

CREATE TRIGGER job_attempt_rises BEFORE UPDATE OF attempt ON job
WHEN NEW.attempt NOT IN (OLD.attempt, OLD.attempt + 1)
BEGIN
  SELECT RAISE(ABORT, 'attempts rise by one');
END;

CREATE TRIGGER job_unfinished_stays BEFORE DELETE ON job WHEN OLD.status IN (1, 2)
BEGIN
  SELECT RAISE(ABORT, 'an unfinished job is not removed');
END;

-- The row and its event are one statement, so that neither can be written without the other.
CREATE TRIGGER job_created_event AFTER INSERT ON job
BEGIN
  INSERT INTO job_event (revision, job_seq, status, attempt, time, progress_fraction, progress_message)
  VALUES (NEW.revision, NEW.seq, NEW.status, NEW.attempt, NEW.change_time, NULL, '');
END;

CREATE TRIGGER job_changed_event AFTER UPDATE OF revision ON job
BEGIN
  INSERT INTO job_event (revision, job_seq, status, attempt, time, progress_fraction, progress_message)
  VALUES (NEW.revision, NEW.seq, NEW.status, NEW.attempt,
          NEW.change_time, NEW.progress_fraction, NEW.progress_message);
END;

-- Jobs that were deleted on request, each with the revision of its deletion, for as long as the log reaches back.
CREATE TABLE job_deletion (
  revision INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT;

-- Files of large images whose last row is gone, until they are removed.
CREATE TABLE unused_image_file (
  digest TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- One row: how far the log is compacted, and how long the server keeps jobs.
CREATE TABLE retention (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  log_floor INTEGER NOT NULL,   -- of the events up to this revision, each job's last one is left and no other
  past_jobs INTEGER NOT NULL,   -- finished jobs in plugin_counter that are gone, or whose end lies below the floor
  retain_for INTEGER NOT NULL,  -- microseconds after a job's end; 0 until a server has set it
  retain_jobs INTEGER NOT NULL  -- finished jobs above the floor; 0: any number
) STRICT;

INSERT INTO retention (id, log_floor, past_jobs, retain_for, retain_jobs)
SELECT 1, 0, (SELECT coalesce(sum(success_count + error_count), 0) FROM plugin_counter)
           - (SELECT count(*) FROM job WHERE end_time > 0), 0, 0;

CREATE TRIGGER log_floor_rises BEFORE UPDATE OF log_floor ON retention WHEN NEW.log_floor < OLD.log_floor
BEGIN
  SELECT RAISE(ABORT, 'what the log has lost does not come back');
END;
