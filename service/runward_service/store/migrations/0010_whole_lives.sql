-- A job whose whole life falls into one transaction is inserted with its end, and its three events with it. It needs what
-- an end needs: a run of its only attempt, and its receipt.
DROP TRIGGER job_starts_pending;

CREATE TRIGGER job_starts_pending BEFORE INSERT ON job
WHEN NEW.status <> 1 AND NOT (
  NEW.status IN (3, 4) AND NEW.mode = 1 AND NEW.attempt = 1 AND NEW.revision > 2
  AND EXISTS (SELECT 1 FROM receipt_chain WHERE seq = NEW.receipt_seq AND job_id = NEW.id AND removed_by IS NULL)
)
BEGIN
  SELECT RAISE(ABORT, 'a job starts PENDING');
END;

DROP TRIGGER job_created_event;

CREATE TRIGGER job_created_event AFTER INSERT ON job WHEN NEW.status = 1
BEGIN
  INSERT INTO job_event (revision, job_seq, status, attempt, time, progress_fraction, progress_message)
  VALUES (NEW.revision, NEW.seq, NEW.status, NEW.attempt, NEW.change_time, NULL, '');
END;

CREATE TRIGGER job_whole_life_events AFTER INSERT ON job WHEN NEW.status <> 1
BEGIN
  INSERT INTO job_event (revision, job_seq, status, attempt, time, progress_fraction, progress_message)
  VALUES (NEW.revision - 2, NEW.seq, 1, 0, NEW.create_time, NULL, ''),
         (NEW.revision - 1, NEW.seq, 2, NEW.attempt, NEW.start_time, NULL, ''),
         (NEW.revision, NEW.seq, NEW.status, NEW.attempt, NEW.change_time, NULL, '');
END;
