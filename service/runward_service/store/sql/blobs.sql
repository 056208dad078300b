-- name: blob
-- A tenant's blob; NULL where a file has its bytes.
SELECT size_bytes, data FROM image WHERE digest = ? AND tenant = ?;

-- name: blobs
-- Which of these digests a tenant has, and whether a file has the bytes. CROSS JOIN keeps the digests the outer loop.
SELECT image.digest, image.data IS NULL
FROM json_each(?) AS want CROSS JOIN image ON image.digest = want.value AND image.tenant = ?;

-- name: keep_upload
INSERT INTO upload (image_seq, expire_time) SELECT seq, ? FROM image WHERE digest = ? AND tenant = ?
ON CONFLICT (image_seq) DO UPDATE SET expire_time = max(expire_time, excluded.expire_time);

-- name: stored_bytes
SELECT seq, data FROM image WHERE digest = ?;

-- name: lose_bytes
UPDATE image SET data = NULL WHERE seq = ?;

-- name: mark_lost
INSERT INTO lost_image (image_seq, time) SELECT seq, ? FROM image WHERE digest = ? AND data IS NULL ON CONFLICT DO NOTHING;

-- name: found_again
DELETE FROM lost_image WHERE image_seq IN (SELECT seq FROM image WHERE digest = ?);
