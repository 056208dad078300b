-- Images are blobs like any other: what a caller uploads before a job names it, and what runs give back, stand beside them in
-- the same table. A row of it stays as long as a job, an artifact or an upload refers to it.

-- Blobs that were uploaded; each is kept until its time even where no job has it.
CREATE TABLE upload (
  image_seq INTEGER PRIMARY KEY REFERENCES image (seq) ON DELETE CASCADE,
  expire_time INTEGER NOT NULL
) STRICT;

CREATE INDEX upload_expire_time ON upload (expire_time);

-- Files that successful runs gave back, in the runs' order.
CREATE TABLE job_artifact (
  job_seq INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  name TEXT NOT NULL CHECK (name <> ''),
  image_seq INTEGER NOT NULL REFERENCES image (seq),
  mime_type TEXT NOT NULL CHECK (mime_type <> ''),
  PRIMARY KEY (job_seq, place),
  UNIQUE (job_seq, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_artifact_image ON job_artifact (image_seq);

-- Blobs whose bytes on disk were found not to be those of their digest, and were put aside.
CREATE TABLE lost_image (
  image_seq INTEGER PRIMARY KEY REFERENCES image (seq) ON DELETE CASCADE,
  time INTEGER NOT NULL
) STRICT;
