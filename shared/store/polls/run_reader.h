#pragma once
/* Reading runs for many who ask for one each, as pollers do: what is asked for while one statement
 * is under way is read by the next one.
 *
 * A run's spec never changes, so a reader keeps the specs of runs that it read lately (at most
 * RUN_READER_SPECS, of RUN_READER_SPEC_MAX bytes each) and asks for the rest of the row alone.
 * The rest is read each time: nobody is shown less than he was shown before. */

#include "shared/store/polls/run_look.h"
#include "shared/store/runs/runs.h"

struct run_reader;

#define RUN_READER_SPECS    4096
#define RUN_READER_SPEC_MAX 8192

struct run_reader *run_reader_new(struct pg *pg);
SUSPENDS void run_reader_free(struct run_reader *reader); /* accepts NULL */

/* As runs_get, on the reader's connection; but RUN_UNREAD for a run that is not there, or that
 * takes more than SMALL_BYTES_MAX: runs_size tells which, and runs_get reads it over a connection
 * for what is large. Seldom for another run, too. */
SUSPENDS MUSTCHECK int run_reader_get(struct run_reader *reader, const struct store *store,
                                      struct uuid thread, struct uuid id, struct run *out,
                                      struct error *err);

/* The same, with a look at its steps in the same request; these may be newer than the run. On
 * RUN_UNREAD nothing is known of them: look->more. */
SUSPENDS MUSTCHECK int run_reader_look(struct run_reader *reader, const struct store *store,
                                       struct uuid thread, struct uuid id, struct run *out,
                                       struct run_look *look, struct error *err);

struct run_reader_stats {
    uint64_t statements;
    uint64_t runs;
    uint64_t specs_known; /* of these, whose spec was not asked for */
};
struct run_reader_stats run_reader_stats(const struct run_reader *reader);
