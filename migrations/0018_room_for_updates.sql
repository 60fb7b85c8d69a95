-- Rows of runs and threads have become wider, and each is updated a few times: with room on its page for the new version no index changes.
ALTER TABLE runs SET (fillfactor = 50);
ALTER TABLE threads SET (fillfactor = 50);
