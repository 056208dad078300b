-- Failed jobs are found without a look at those that succeeded, in the order of their seq.
CREATE INDEX job_failed ON job (tenant) WHERE status = 4;
