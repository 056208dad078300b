-- name: insert_receipts
-- Rows: seq, kind, key_id, job_id, revision, receipt, mac.
INSERT INTO receipt_chain (seq, kind, key_id, job_id, revision, receipt, mac) VALUES {rows};

-- name: insert_entry
INSERT INTO receipt_chain (seq, kind, key_id, content, mac) VALUES (?, ?, ?, ?, ?);

-- name: finished
SELECT count(*), coalesce(max(revision), 0) FROM job WHERE status IN (3, 4);

-- name: key_entries
-- The entries that tell of a key, with the key that made them.
SELECT key_id FROM receipt_chain WHERE kind IN (2, 3);

-- name: mark_removed
UPDATE receipt_chain SET removed_by = ? WHERE seq IN (SELECT value FROM json_each(?));

-- name: chain_ends
-- The first entry, and the first receipt whose job is there.
SELECT (SELECT min(seq) FROM receipt_chain),
       (SELECT seq FROM receipt_chain WHERE kind = 1 AND removed_by IS NULL ORDER BY seq LIMIT 1);

-- name: oldest_entries
SELECT seq, kind, key_id, job_id, revision, receipt, content, mac, removed_by FROM receipt_chain WHERE seq <= ? ORDER BY seq;

-- name: last_checkpoint
SELECT content FROM receipt_chain WHERE kind = 5 ORDER BY seq DESC LIMIT 1;

-- name: removal
-- An entry of a removal, with the MAC of the entry before it.
SELECT removal.seq, removal.kind, removal.key_id, removal.job_id, removal.revision, removal.receipt, removal.content,
       removal.mac, removal.removed_by, previous.mac
FROM receipt_chain AS removal CROSS JOIN receipt_chain AS previous ON previous.seq = removal.seq - 1
WHERE removal.seq = ? AND removal.kind = 4;

-- name: delete_entries
DELETE FROM receipt_chain WHERE seq <= ?;
