-- Which of an owner's claims may have begun, while it holds some that have not: those up to a revision. Without a row, all.
CREATE TABLE claimed_ahead (
  owner TEXT PRIMARY KEY,
  begun_upto INTEGER NOT NULL CHECK (begun_upto > 0)
) STRICT, WITHOUT ROWID;
