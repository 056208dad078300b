-- A database of schema 7, with jobs in every status.
PRAGMA user_version = 7;
BEGIN TRANSACTION;
CREATE TABLE disabled_plugin (
  plugin TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT;
INSERT INTO "disabled_plugin" VALUES('plugin_2','it''s noisy',95);
CREATE TABLE "image" (
  seq INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  digest TEXT NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  create_time INTEGER NOT NULL,
  data BLOB CHECK (data IS NULL OR length(data) = size_bytes), -- NULL: the file of this digest holds the bytes
  UNIQUE (digest, tenant)
) STRICT;
INSERT INTO "image" VALUES(1,'default','sha256:0000000000000000000000000000000000000000000000000000000000000000',1,100,X'00');
INSERT INTO "image" VALUES(2,'default','sha256:0000000000000000000000000000000000000000000000000000000000000001',1,101,X'01');
INSERT INTO "image" VALUES(3,'default','sha256:0000000000000000000000000000000000000000000000000000000000000002',1,102,X'02');
INSERT INTO "image" VALUES(4,'default','sha256:0000000000000000000000000000000000000000000000000000000000000003',1,103,X'03');
INSERT INTO "image" VALUES(5,'default','sha256:0000000000000000000000000000000000000000000000000000000000000004',1,104,X'04');
INSERT INTO "image" VALUES(6,'default','sha256:0000000000000000000000000000000000000000000000000000000000000005',1,105,X'05');
INSERT INTO "image" VALUES(7,'default','sha256:0000000000000000000000000000000000000000000000000000000000000006',1,106,X'06');
INSERT INTO "image" VALUES(8,'default','sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',300000,121,NULL);
CREATE TABLE "job" (
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
  retry_of TEXT NOT NULL DEFAULT '', skip_cache INTEGER NOT NULL DEFAULT 0 CHECK (skip_cache IN (0, 1)),                           -- the id of the failed job whose input this one has
  CHECK ((status = 1) = (start_time = 0)),
  CHECK ((status IN (3, 4)) = (end_time > 0)),
  CHECK ((status = 3) = (result IS NOT NULL)),
  CHECK ((status = 4) = (error_reason IS NOT NULL)),
  CHECK (status <> 1 OR attempt = 0),
  CHECK (claimable = 0 OR (status IN (1, 2) AND owner = '' AND mode = 2)),
  CHECK (status <> 3 OR attempt >= 1)
) STRICT;
INSERT INTO "job" VALUES(1,'cd613e30-d8f1-4adf-91b7-584a2265b1f5','default','p','',1,'plugin_0','1',4,1,'image/png','{"n":0}','{}',0,1,0,2,1,0,'me',0,0,0,100,200,300,300,16,NULL,'',NULL,'',0,'PLUGIN_RAISED','failure 0','{"n": 0}','plugin_0',299,0,'',0);
INSERT INTO "job" VALUES(2,'1e2feb89-414c-443c-9027-c4d1c386bbc4','default','p','',1,'plugin_1','1',3,2,'image/png','{"n":1}','{}',0,1,0,2,1,0,'me',0,0,0,101,200,301,301,17,NULL,'',X'','digest 1',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(3,'78e51061-7311-48a3-82ce-6f447ed4d57b','default','p','',1,'plugin_2','1',3,3,'image/png','{"n":2}','{}',0,1,0,2,1,0,'me',0,0,0,102,200,302,302,18,NULL,'',X'','digest 2',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(4,'35bf992d-c9e9-4616-a12e-7696a6cecc1b','default','p','',1,'plugin_0','1',4,4,'image/png','{"n":3}','{}',0,1,0,2,1,0,'me',0,0,0,103,200,303,303,19,NULL,'',NULL,'',0,'PLUGIN_RAISED','failure 3','{"n": 3}','plugin_0',299,0,'',0);
INSERT INTO "job" VALUES(5,'e4b06ce6-0741-47a8-bce4-2c8218072e8c','default','p','',1,'plugin_1','1',3,5,'image/png','{"n":4}','{}',0,1,0,2,1,0,'me',0,0,0,104,200,304,304,20,NULL,'',X'','digest 4',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(6,'9b810e76-6ec9-4286-a3ca-828dd5f4b3b2','default','p','',1,'plugin_2','1',3,6,'image/png','{"n":5}','{}',0,1,0,2,1,0,'me',0,0,0,105,200,305,305,21,NULL,'',X'','digest 5',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(7,'b2221a58-008a-45a6-8464-7159c324c985','default','p','',1,'plugin_0','1',2,7,'image/png','{"n":6}','{}',0,1,0,2,1,0,'me',0,0,0,106,200,0,200,15,NULL,'',NULL,'',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(8,'cd447e35-b8b6-48fe-842e-3d437204e52d','default','p','',1,'plugin_1','1',1,1,'image/png','{"n":7}','{}',0,1,0,2,0,0,'me',0,0,0,107,0,0,107,8,NULL,'',NULL,'',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(9,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931','default','p','request-0',2,'plugin_2','1',3,7,'image/png','{"n":20}','{"order":"0"}',0,1,1000000000000000,2,1,0,'me',0,0,0,120,400,320,320,32,NULL,'',X'','digest 20',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(10,'05b6e6e3-07d4-4edc-9143-1193e6c3f339','default','p','request-1',2,'plugin_0','1',2,8,'image/png','{"n":21}','{"order":"1"}',1,1,1000000000000001,2,2,1,'me',0,0,1,121,400,0,420,31,NULL,'',NULL,'',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(11,'025b413f-8a9a-421e-a648-a7dd06839eb9','default','p','request-2',2,'plugin_1','1',2,2,'image/png','{"n":22}','{"order":"2"}',2,1,1000000000000002,2,1,0,'me',0,0,0,122,400,0,400,29,NULL,'',NULL,'',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(12,'afbd67f9-6196-49cf-a198-8ad9f06c144a','default','p','request-3',2,'plugin_2','1',1,8,'image/png','{"n":23}','{"order":"3"}',3,1,1000000000000003,2,0,0,'',0,1,0,123,0,0,123,25,NULL,'',NULL,'',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
INSERT INTO "job" VALUES(13,'b9d179e0-6c0f-44f5-b813-0c4237730edf','default','p','request-4',2,'plugin_0','1',1,4,'image/png','{"n":24}','{"order":"4"}',4,1,1000000000000004,2,0,0,'',0,1,0,124,0,0,124,26,NULL,'',NULL,'',0,NULL,NULL,NULL,NULL,NULL,0,'',0);
CREATE TABLE job_artifact (
  job_seq INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  name TEXT NOT NULL CHECK (name <> ''),
  image_seq INTEGER NOT NULL REFERENCES image (seq),
  mime_type TEXT NOT NULL CHECK (mime_type <> ''),
  PRIMARY KEY (job_seq, place),
  UNIQUE (job_seq, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_deletion (
  revision INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  time INTEGER NOT NULL
) STRICT;
CREATE TABLE job_event (
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  job_seq INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  status INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  time INTEGER NOT NULL,
  progress_fraction REAL,
  progress_message TEXT NOT NULL
) STRICT;
INSERT INTO "job_event" VALUES(1,1,1,0,100,NULL,'');
INSERT INTO "job_event" VALUES(2,2,1,0,101,NULL,'');
INSERT INTO "job_event" VALUES(3,3,1,0,102,NULL,'');
INSERT INTO "job_event" VALUES(4,4,1,0,103,NULL,'');
INSERT INTO "job_event" VALUES(5,5,1,0,104,NULL,'');
INSERT INTO "job_event" VALUES(6,6,1,0,105,NULL,'');
INSERT INTO "job_event" VALUES(7,7,1,0,106,NULL,'');
INSERT INTO "job_event" VALUES(8,8,1,0,107,NULL,'');
INSERT INTO "job_event" VALUES(9,1,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(10,2,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(11,3,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(12,4,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(13,5,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(14,6,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(15,7,2,1,200,NULL,'');
INSERT INTO "job_event" VALUES(16,1,4,1,300,NULL,'');
INSERT INTO "job_event" VALUES(17,2,3,1,301,NULL,'');
INSERT INTO "job_event" VALUES(18,3,3,1,302,NULL,'');
INSERT INTO "job_event" VALUES(19,4,4,1,303,NULL,'');
INSERT INTO "job_event" VALUES(20,5,3,1,304,NULL,'');
INSERT INTO "job_event" VALUES(21,6,3,1,305,NULL,'');
INSERT INTO "job_event" VALUES(22,9,1,0,120,NULL,'');
INSERT INTO "job_event" VALUES(23,10,1,0,121,NULL,'');
INSERT INTO "job_event" VALUES(24,11,1,0,122,NULL,'');
INSERT INTO "job_event" VALUES(25,12,1,0,123,NULL,'');
INSERT INTO "job_event" VALUES(26,13,1,0,124,NULL,'');
INSERT INTO "job_event" VALUES(27,9,2,1,400,NULL,'');
INSERT INTO "job_event" VALUES(28,10,2,1,400,NULL,'');
INSERT INTO "job_event" VALUES(29,11,2,1,400,NULL,'');
INSERT INTO "job_event" VALUES(30,10,2,1,410,0.5,'half way');
INSERT INTO "job_event" VALUES(31,10,2,2,420,NULL,'');
INSERT INTO "job_event" VALUES(32,9,3,1,320,NULL,'');
CREATE TABLE job_traceback (
  job_seq INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  traceback TEXT NOT NULL,
  PRIMARY KEY (job_seq, attempt)
) STRICT;
INSERT INTO "job_traceback" VALUES(1,1,'trace 0');
INSERT INTO "job_traceback" VALUES(4,1,'trace 3');
CREATE TABLE kept_result (
  key BLOB PRIMARY KEY CHECK (length(key) = 32),
  job_seq INTEGER NOT NULL UNIQUE REFERENCES job (seq) ON DELETE CASCADE,
  checksum BLOB NOT NULL CHECK (length(checksum) = 32), -- SHA-256 of the output's digest and its encoded bytes
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO "kept_result" VALUES(X'0000000000000000000000000000000000000000000000000000000000000000',2,X'0000000000000000000000000000000000000000000000000000000000000000',1);
CREATE TABLE lost_image (
  image_seq INTEGER PRIMARY KEY REFERENCES image (seq) ON DELETE CASCADE,
  time INTEGER NOT NULL
) STRICT;
CREATE TABLE owner (
  id TEXT PRIMARY KEY,
  pid INTEGER NOT NULL,
  start_time INTEGER NOT NULL
) STRICT;
INSERT INTO "owner" VALUES('me',4242,90);
CREATE TABLE plugin_counter (
  plugin TEXT PRIMARY KEY,
  success_count INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  run_count INTEGER NOT NULL DEFAULT 0,
  total_duration INTEGER NOT NULL DEFAULT 0,
  last_duration INTEGER NOT NULL DEFAULT 0,
  last_used_time INTEGER NOT NULL DEFAULT 0
, cached_count INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "plugin_counter" VALUES('plugin_0',0,2,2,23,13,303,1);
INSERT INTO "plugin_counter" VALUES('plugin_1',2,0,2,25,14,304,0);
INSERT INTO "plugin_counter" VALUES('plugin_2',3,0,3,57,30,320,0);
CREATE TABLE plugin_duration (
  plugin TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (plugin, bucket)
) STRICT, WITHOUT ROWID;
INSERT INTO "plugin_duration" VALUES('plugin_0',26,1);
INSERT INTO "plugin_duration" VALUES('plugin_0',29,1);
INSERT INTO "plugin_duration" VALUES('plugin_1',27,1);
INSERT INTO "plugin_duration" VALUES('plugin_1',30,1);
INSERT INTO "plugin_duration" VALUES('plugin_2',28,1);
INSERT INTO "plugin_duration" VALUES('plugin_2',31,1);
INSERT INTO "plugin_duration" VALUES('plugin_2',39,1);
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
CREATE TABLE queued (
  plugin TEXT NOT NULL,
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  jobs INTEGER NOT NULL CHECK (jobs > 0),
  image_bytes INTEGER NOT NULL CHECK (image_bytes > 0),
  PRIMARY KEY (plugin, tenant, principal)
) STRICT, WITHOUT ROWID;
INSERT INTO "queued" VALUES('plugin_0','default','p',1,1);
INSERT INTO "queued" VALUES('plugin_2','default','p',1,300000);
CREATE TABLE retention (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  log_floor INTEGER NOT NULL,   -- of the events up to this revision, each job's last one is left and no other
  past_jobs INTEGER NOT NULL,   -- finished jobs in plugin_counter that are gone, or whose end lies below the floor
  retain_for INTEGER NOT NULL,  -- microseconds after a job's end; 0 until a server has set it
  retain_jobs INTEGER NOT NULL  -- finished jobs above the floor; 0: any number
, looked_upto INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "retention" VALUES(1,0,0,0,0,0);
CREATE TABLE unused_image_file (
  digest TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE upload (
  image_seq INTEGER PRIMARY KEY REFERENCES image (seq) ON DELETE CASCADE,
  expire_time INTEGER NOT NULL
) STRICT;
CREATE INDEX job_event_job ON job_event (job_seq, revision);
CREATE TRIGGER job_event_is_final BEFORE UPDATE ON job_event
BEGIN
  SELECT RAISE(ABORT, 'events do not change');
END;
CREATE UNIQUE INDEX job_request_id ON job (tenant, principal, request_id) WHERE request_id <> '';
CREATE INDEX job_queue_deadline ON job (queue_deadline) WHERE claimable = 1 AND queue_deadline > 0;
CREATE INDEX job_unfinished ON job (owner) WHERE status IN (1, 2);
CREATE INDEX job_image ON job (image_seq);
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
CREATE INDEX job_claimable_by_priority ON job (plugin, tenant, principal, priority DESC, seq) WHERE claimable = 1;
CREATE INDEX job_claimable_by_age ON job (plugin, tenant, principal, seq) WHERE claimable = 1;
CREATE TRIGGER job_queued AFTER INSERT ON job WHEN NEW.claimable = 1
BEGIN
  INSERT INTO queued (plugin, tenant, principal, jobs, image_bytes)
  VALUES (NEW.plugin, NEW.tenant, NEW.principal, 1, (SELECT size_bytes FROM image WHERE seq = NEW.image_seq))
  ON CONFLICT (plugin, tenant, principal) DO UPDATE SET
    jobs = jobs + 1, image_bytes = image_bytes + excluded.image_bytes;
END;
CREATE TRIGGER job_queued_again AFTER UPDATE OF claimable ON job WHEN NEW.claimable = 1 AND OLD.claimable = 0
BEGIN
  INSERT INTO queued (plugin, tenant, principal, jobs, image_bytes)
  VALUES (NEW.plugin, NEW.tenant, NEW.principal, 1, (SELECT size_bytes FROM image WHERE seq = NEW.image_seq))
  ON CONFLICT (plugin, tenant, principal) DO UPDATE SET
    jobs = jobs + 1, image_bytes = image_bytes + excluded.image_bytes;
END;
CREATE TRIGGER job_not_queued AFTER UPDATE OF claimable ON job WHEN NEW.claimable = 0 AND OLD.claimable = 1
BEGIN
  DELETE FROM queued
  WHERE plugin = OLD.plugin AND tenant = OLD.tenant AND principal = OLD.principal AND jobs = 1;
  UPDATE queued SET jobs = jobs - 1, image_bytes = image_bytes - (SELECT size_bytes FROM image WHERE seq = OLD.image_seq)
  WHERE plugin = OLD.plugin AND tenant = OLD.tenant AND principal = OLD.principal;
END;
CREATE TRIGGER log_floor_rises BEFORE UPDATE ON retention
WHEN NEW.log_floor < OLD.log_floor OR NEW.looked_upto < OLD.looked_upto OR NEW.log_floor < NEW.looked_upto
BEGIN
  SELECT RAISE(ABORT, 'what the log has lost does not come back');
END;
CREATE TRIGGER job_divergence_is_erased AFTER DELETE ON job
BEGIN
  UPDATE plugin_verification SET diverged_path = '' WHERE diverged_job = OLD.id AND diverged_path <> '';
END;
CREATE INDEX upload_expire_time ON upload (expire_time);
CREATE INDEX job_artifact_image ON job_artifact (image_seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('job_event',32);
COMMIT;
