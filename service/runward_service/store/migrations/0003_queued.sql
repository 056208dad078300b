-- What waits to be claimed, by plugin and caller: kept by triggers, so that neither a claim nor a limit has to count jobs.
CREATE TABLE queued (
  plugin TEXT NOT NULL,
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  jobs INTEGER NOT NULL CHECK (jobs > 0),
  image_bytes INTEGER NOT NULL CHECK (image_bytes > 0),
  PRIMARY KEY (plugin, tenant, principal)
) STRICT, WITHOUT ROWID;

INSERT INTO queued (plugin, tenant, principal, jobs, image_bytes)
SELECT job.plugin, job.tenant, job.principal, count(*), sum(image.size_bytes)
FROM job JOIN image ON image.seq = job.image_seq
WHERE job.claimable = 1
GROUP BY job.plugin, job.tenant, job.principal;

-- Callers take turns; within a caller's turn the order is that of one of these.
DROP INDEX job_claimable;
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
