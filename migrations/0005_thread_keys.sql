-- Whoever writes a run or a message holds its thread's row or its run's, and deleting a thread takes
-- all of these first: the keys would only repeat that, for each message that is stored.
ALTER TABLE messages DROP CONSTRAINT messages_thread_id_fkey;
ALTER TABLE runs DROP CONSTRAINT runs_thread_id_fkey;
