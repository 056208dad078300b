-- The log without what made each commit larger: AUTOINCREMENT wrote a table of its own with every event, and the index of the
-- jobs' events had an entry for each event of a whole life, though these lie together: at the three revisions up to the job's.
-- Where the log ends is told by its last event, and by last_revision where events or jobs after that are gone.
ALTER TABLE retention ADD COLUMN last_revision INTEGER NOT NULL DEFAULT 0;
UPDATE retention SET last_revision = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job_event'), 0);

CREATE TABLE job_event_by_life (
  revision INTEGER PRIMARY KEY,
  job_seq INTEGER NOT NULL,
  status INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  time INTEGER NOT NULL,
  progress_fraction REAL,
  progress_message TEXT NOT NULL,
  of_whole_life INTEGER NOT NULL DEFAULT 0 CHECK (of_whole_life IN (0, 1)) -- 1: inserted with its job and the two others
) STRICT;

-- An event without its job cannot be copied: that stands in for the reference that the table had.
INSERT INTO job_event_by_life (revision, job_seq, status, attempt, time, progress_fraction, progress_message)
SELECT revision, (SELECT seq FROM job WHERE seq = job_seq), status, attempt, time, progress_fraction, progress_message
FROM job_event ORDER BY revision;

DROP TRIGGER job_created_event;
DROP TRIGGER job_changed_event;
DROP TRIGGER job_whole_life_events;
-- By DELETE, which clears its pages: DROP TABLE would write them to a file for temporary data first.
DELETE FROM job_event;
DROP TABLE job_event;
ALTER TABLE job_event_by_life RENAME TO job_event;

CREATE INDEX job_event_job ON job_event (job_seq, revision) WHERE of_whole_life = 0;

CREATE TRIGGER job_event_is_final BEFORE UPDATE ON job_event
BEGIN
  SELECT RAISE(ABORT, 'events do not change');
END;

-- A revision is never given out twice, also where the last event goes.
CREATE TRIGGER last_event_goes BEFORE DELETE ON job_event
WHEN OLD.revision = (SELECT max(revision) FROM job_event)
BEGIN
  UPDATE retention SET last_revision = max(last_revision, OLD.revision);
END;

CREATE TRIGGER last_revision_rises BEFORE UPDATE OF last_revision ON retention WHEN NEW.last_revision < OLD.last_revision
BEGIN
  SELECT RAISE(ABORT, 'a revision is not given out twice');
END;

CREATE TRIGGER job_created_event AFTER INSERT ON job WHEN NEW.status = 1
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

CREATE TRIGGER job_whole_life_events AFTER INSERT ON job WHEN NEW.status <> 1
BEGIN
  INSERT INTO job_event (revision, job_seq, status, attempt, time, progress_fraction, progress_message, of_whole_life)
  VALUES (NEW.revision - 2, NEW.seq, 1, 0, NEW.create_time, NULL, '', 1),
         (NEW.revision - 1, NEW.seq, 2, NEW.attempt, NEW.start_time, NULL, '', 1),
         (NEW.revision, NEW.seq, NEW.status, NEW.attempt, NEW.change_time, NULL, '', 1);
END;

-- A job takes its events along.
CREATE TRIGGER job_events_go AFTER DELETE ON job
BEGIN
  DELETE FROM job_event WHERE job_seq = OLD.seq AND of_whole_life = 0;
  DELETE FROM job_event
  WHERE revision BETWEEN OLD.revision - 2 AND OLD.revision AND job_seq = OLD.seq AND of_whole_life = 1;
END;

-- Their checksums are over their keys too, from now on.
DELETE FROM kept_result;
