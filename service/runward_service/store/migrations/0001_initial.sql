-- Jobs, their events, images, plugins' counters. Times are microseconds since 1970, UTC; statuses are those of
-- runward_service.domain.job.JobStatus: 1 PENDING, 2 RUNNING, 3 SUCCESS, 4 FAILED. Modes: 1 SYNC, 2 ASYNC.

CREATE TABLE owner (
  id TEXT PRIMARY KEY,
  pid INTEGER NOT NULL,
  start_time INTEGER NOT NULL
) STRICT;

CREATE TABLE image (
  tenant TEXT NOT NULL,
  digest TEXT NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  create_time INTEGER NOT NULL,
  data BLOB CHECK (data IS NULL OR length(data) = size_bytes), -- NULL: the file of this digest holds the bytes
  PRIMARY KEY (tenant, digest)
) STRICT;

CREATE TABLE job (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  request_id TEXT NOT NULL DEFAULT '',
  mode INTEGER NOT NULL CHECK (mode IN (1, 2)),
  plugin TEXT NOT NULL CHECK (plugin <> ''),
  plugin_version TEXT NOT NULL,
  status INTEGER NOT NULL CHECK (status IN (1, 2, 3, 4)),
  image_digest TEXT NOT NULL,
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
  FOREIGN KEY (tenant, image_digest) REFERENCES image (tenant, digest),
  CHECK ((status = 1) = (start_time = 0)),
  CHECK ((status IN (3, 4)) = (end_time > 0)),
  CHECK ((status = 3) = (result IS NOT NULL)),
  CHECK ((status = 4) = (error_reason IS NOT NULL)),
  CHECK (status <> 1 OR attempt = 0),
  CHECK (claimable = 0 OR (status IN (1, 2) AND owner = '' AND mode = 2)),
  CHECK (status <> 3 OR attempt >= 1)
) STRICT;

CREATE UNIQUE INDEX job_request_id ON job (tenant, principal, request_id) WHERE request_id <> '';
CREATE INDEX job_claimable ON job (plugin, priority DESC, seq) WHERE claimable = 1;
CREATE INDEX job_queue_deadline ON job (queue_deadline) WHERE claimable = 1 AND queue_deadline > 0;
CREATE INDEX job_unfinished ON job (owner) WHERE status IN (1, 2);

-- One row a change. The id is the revision: it rises with every change, and AUTOINCREMENT never gives one out twice.
CREATE TABLE job_event (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  job_seq INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  status INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  time INTEGER NOT NULL,
  progress_fraction REAL,
  progress_message TEXT NOT NULL
) STRICT;

CREATE INDEX job_event_job ON job_event (job_seq, revision);

-- What an attempt's exception looked like inside; read on the server's own host alone.
CREATE TABLE job_traceback (
  job_seq INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  traceback TEXT NOT NULL,
  PRIMARY KEY (job_seq, attempt)
) STRICT;

CREATE TABLE plugin_counter (
  plugin TEXT PRIMARY KEY,
  success_count INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  run_count INTEGER NOT NULL DEFAULT 0,
  total_duration INTEGER NOT NULL DEFAULT 0,
  last_duration INTEGER NOT NULL DEFAULT 0,
  last_used_time INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Durations of runs by bucket; runward_service.store.histogram tells what a bucket spans.
CREATE TABLE plugin_duration (
  plugin TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (plugin, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE disabled_plugin (
  plugin TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT;

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

CREATE TRIGGER job_event_is_final BEFORE UPDATE ON job_event
BEGIN
  SELECT RAISE(ABORT, 'events do not change');
END;
