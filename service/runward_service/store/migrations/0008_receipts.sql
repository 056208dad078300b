-- The chain of receipts (docs/receipts.md). Its order is that in which the entries were written; seq has no gaps.
CREATE TABLE receipt_chain (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),  -- runward_service.domain.chain.EntryKind
  key_id TEXT NOT NULL,
  job_id TEXT NOT NULL DEFAULT '',   -- of a receipt: the job, the revision of its end, the receipt's MAC
  revision INTEGER NOT NULL DEFAULT 0,
  receipt BLOB CHECK (length(receipt) = 32),
  content TEXT NOT NULL DEFAULT '',  -- of another kind: JSON
  mac BLOB NOT NULL CHECK (length(mac) = 32),
  removed_by INTEGER,                -- of a receipt whose job is gone: the entry of its removal
  CHECK ((kind = 1) = (job_id <> '')),
  CHECK ((kind = 1) = (receipt IS NOT NULL)),
  CHECK ((kind = 1) = (content = '')),
  CHECK (kind = 1 OR removed_by IS NULL)
) STRICT;

CREATE INDEX receipt_chain_other ON receipt_chain (kind, seq) WHERE kind <> 1;

-- What a receipt covers beside what was there; a job that ended before there were receipts has no receipt_seq.
ALTER TABLE job ADD COLUMN code_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN receipt_seq INTEGER;
ALTER TABLE job ADD COLUMN receipt_marks BLOB NOT NULL DEFAULT x'';

CREATE TRIGGER job_ends_with_receipt BEFORE UPDATE OF status ON job
WHEN NEW.status IN (3, 4) AND NOT EXISTS (SELECT 1 FROM receipt_chain WHERE seq = NEW.receipt_seq AND job_id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'a job ends with a receipt');
END;

CREATE TRIGGER receipt_is_final BEFORE UPDATE ON receipt_chain
WHEN OLD.seq <> NEW.seq OR OLD.kind <> NEW.kind OR OLD.key_id <> NEW.key_id OR OLD.job_id <> NEW.job_id
  OR OLD.revision <> NEW.revision OR OLD.receipt IS NOT NEW.receipt OR OLD.content <> NEW.content OR OLD.mac <> NEW.mac
  OR OLD.removed_by IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'an entry of the chain does not change');
END;

CREATE TRIGGER receipt_stays BEFORE DELETE ON receipt_chain
WHEN OLD.job_id <> '' AND EXISTS (SELECT 1 FROM job WHERE id = OLD.job_id)
BEGIN
  SELECT RAISE(ABORT, 'a receipt stays as long as its job');
END;
