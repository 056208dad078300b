-- name: chain_head
SELECT seq, mac, key_id FROM receipt_chain ORDER BY seq DESC LIMIT 1;

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
