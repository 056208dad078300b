-- name: callers_after
-- Who has jobs of a plugin waiting, and how many, after a caller in the order of the turns.
SELECT tenant, principal, jobs FROM queued
WHERE plugin = ? AND (tenant, principal) > (?, ?)
ORDER BY tenant, principal LIMIT ?;

-- name: callers_up_to
SELECT tenant, principal, jobs FROM queued
WHERE plugin = ? AND (tenant, principal) <= (?, ?)
ORDER BY tenant, principal LIMIT ?;

-- name: first_jobs
-- A caller's waiting jobs, PENDING ones and those that a dead or drained owner left, the highest priority first.
SELECT seq FROM job WHERE plugin = ? AND tenant = ? AND principal = ? AND claimable = 1
ORDER BY priority DESC, seq LIMIT ?;

-- name: oldest_jobs
SELECT seq FROM job WHERE plugin = ? AND tenant = ? AND principal = ? AND claimable = 1 ORDER BY seq LIMIT ?;

-- name: claim_jobs
-- Rows: seq, owner, time, revision.
UPDATE job SET status = 2, attempt = attempt + 1, owner = v.column2, claimable = 0, change_time = v.column3,
               revision = v.column4, start_time = CASE WHEN start_time = 0 THEN v.column3 ELSE start_time END
FROM (VALUES {rows}) AS v
WHERE job.seq = v.column1 AND job.claimable = 1;

-- name: begun_upto
SELECT begun_upto FROM claimed_ahead WHERE owner = ?;

-- name: set_begun_upto
INSERT INTO claimed_ahead (owner, begun_upto) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET begun_upto = excluded.begun_upto;

-- name: all_begun
DELETE FROM claimed_ahead WHERE owner = ?;

-- name: give_back
-- Jobs that were claimed and have not begun; no attempt counts as lost. Rows: id, owner, attempt.
UPDATE job SET owner = '', claimable = 1
FROM (VALUES {rows}) AS v
WHERE job.id = v.column1 AND job.status = 2 AND job.owner = v.column2 AND job.attempt = v.column3;
