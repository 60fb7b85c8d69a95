-- What a tenant's calls of models may take in a minute, over all workers, providers and models; NULL: no limit.
ALTER TABLE tenants
    ADD COLUMN requests_per_minute int8 CHECK (requests_per_minute >= 1),
    ADD COLUMN tokens_per_minute   int8 CHECK (tokens_per_minute >= 1);
