-- What workers leave behind when several of them stand still at one moment. Nobody needs to look at
-- that moment: each row keeps what its worker went through, for whichever scheduler asks next.

-- renewed_at: when the lease was renewed last. session: the connection (the server's process) that
-- renewed it. back_at: when the worker came back last, with a lease that had lapsed or over another
-- connection. spared_until: its lease lapsed together with others', and is no sign of a death before
-- then; the next renewal clears it.
ALTER TABLE workers ADD COLUMN renewed_at timestamptz;
ALTER TABLE workers ADD COLUMN session int8;
ALTER TABLE workers ADD COLUMN back_at timestamptz;
ALTER TABLE workers ADD COLUMN spared_until timestamptz;
