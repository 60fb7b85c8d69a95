-- What a thread is about, and the thread that it began as a copy of (which may be gone).
ALTER TABLE threads
    ADD COLUMN title       text,
    ADD COLUMN forked_from uuid;
