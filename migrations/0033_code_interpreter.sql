-- Programs that models write, run in sandboxes by workers (worker/tools/sandbox).

-- Whether a worker can run them: '' it can; else why not, as people are told. NULL: it has not said so yet, or it is of a version that can't.
ALTER TABLE workers ADD COLUMN code_interpreter text;

-- The files that the programs of a thread have left for its next ones (shared/store/files/work_folders). made_by: the key of the call that wrote them;
-- before_id: what was there before it, for a call that is made again; drop_id: what is to be let go. A folder without a thread is one whose thread is gone.
CREATE TABLE work_folders (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    thread_id   uuid UNIQUE REFERENCES threads (id) ON DELETE SET NULL,
    blob_id     uuid NOT NULL,
    before_id   uuid,
    drop_id     uuid,
    made_by     text NOT NULL,
    touched_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX work_folders_left ON work_folders (id) WHERE thread_id IS NULL;
CREATE INDEX work_folders_age ON work_folders (touched_at);
