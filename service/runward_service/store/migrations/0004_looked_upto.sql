-- Up to where jobs were looked at and how far the log is compacted are two things: a restored log is compacted as a whole.
ALTER TABLE retention ADD COLUMN looked_upto INTEGER NOT NULL DEFAULT 0;
-- Jobs that ended up to this revision are gone, or have a retention of their own; past_jobs counts both.

UPDATE retention SET looked_upto = log_floor;

DROP TRIGGER log_floor_rises;

CREATE TRIGGER log_floor_rises BEFORE UPDATE ON retention
WHEN NEW.log_floor < OLD.log_floor OR NEW.looked_upto < OLD.looked_upto OR NEW.log_floor < NEW.looked_upto
BEGIN
  SELECT RAISE(ABORT, 'what the log has lost does not come back');
END;
