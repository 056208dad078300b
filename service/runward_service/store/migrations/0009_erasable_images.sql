-- No byte of an image lies in a b-tree page. SQLite moves the cells of those about, and leaves stale copies in the free middle of
-- a page that it packs anew; overflow pages it never moves, and clears as a whole when they are freed (secure_delete).
-- A record of P bytes that overflows keeps its first K = 489 + (P - 489) % 4092 bytes in its b-tree page, or 489 where K > 4061
-- (pages of 4096 bytes; "cell payload overflow pages" in SQLite's file format). What stands before data, without pad, has
-- length(tenant) + 81 to 96 bytes, record header included: so pad makes K 489 to 504, and has itself 489 bytes or more.
CREATE TABLE erasable_image (
  seq INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  digest TEXT NOT NULL CHECK (digest GLOB 'sha256:*' AND length(digest) = 71),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  create_time INTEGER NOT NULL,
  pad BLOB AS (zeroblob(489 + 4091 - (length(CAST(tenant AS BLOB)) + 80 + length(data)) % 4092)) STORED,
  data BLOB CHECK (data IS NULL OR length(data) = size_bytes), -- NULL: the file of this digest holds the bytes
  UNIQUE (digest, tenant)
) STRICT;

INSERT INTO erasable_image (seq, tenant, digest, size_bytes, create_time, data)
SELECT seq, tenant, digest, size_bytes, create_time, data FROM image ORDER BY seq;

-- Triggers that name a table which is not there keep any table from being renamed.
DROP TRIGGER job_queued;
DROP TRIGGER job_queued_again;
DROP TRIGGER job_not_queued;
-- All its pages are cleared, with whatever they hold of images that were deleted before; by DELETE, since DROP TABLE would write
-- them to a file for temporary data first.
DELETE FROM image;
DROP TABLE image;
ALTER TABLE erasable_image RENAME TO image;

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
