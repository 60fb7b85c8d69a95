-- Servers of the Model Context Protocol (worker/tools/mcp): what they offered when a run began, as JSON, so that each of its attempts has the same
-- tools. NULL: it has no such servers, or has not asked them yet.
ALTER TABLE runs ADD COLUMN offered_tools text;
