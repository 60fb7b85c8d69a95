-- Programs that models write, run in sandboxes by workers (worker/tools/sandbox).

-- Whether a worker can run them: '' it can; else why not, as people are told. NULL: it has not said so yet, or it is of a version that can't.
ALTER TABLE workers ADD COLUMN code_interpreter text;
