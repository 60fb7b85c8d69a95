-- What of a run's servers (of the Model Context Protocol) is not as its agent wants it: a server that could not be had, a name in `allowed_tools` that
-- the server has not. A JSON array, written with `offered_tools`; NULL: nothing, or there are no servers.
ALTER TABLE runs ADD COLUMN mcp_problems jsonb;
