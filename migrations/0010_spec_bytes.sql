-- What a spec takes as text. What it takes on disk tells little, since compression makes a text up to 250 times smaller, and to
-- measure one reads all of it. NULL: written before this column was there.
ALTER TABLE agents ADD COLUMN spec_bytes int4;
ALTER TABLE runs ADD COLUMN spec_bytes int4;
