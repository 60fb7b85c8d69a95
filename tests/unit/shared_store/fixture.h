#pragma once
/* What the tests of shared/store share: a database of their own with a tenant in it, short ways to
 * make things, and plain SQL to look behind the functions under test. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/compiler.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/store/access/tenants.h"
#include "shared/store/agents/agents.h"
#include "shared/store/fleet/workers.h"
#include "shared/store/leases/run_leases.h"
#include "shared/store/runs/runs.h"
#include "shared/store/store.h"
#include "shared/store/threads/messages.h"
#include "shared/store/threads/threads.h"

/* Of run_changes: tokens of one call. */
#define USED(prompt, completion)                                                                   \
    .usage =                                                                                       \
        (const struct model_usage[]){                                                              \
            {TEXT("p"), TEXT("m"), 1, {(prompt), (completion), 0, 0, 0, 0}}},                      \
    .usage_count = 1

/* A 0 with its error's text when it is none. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        int must_r_ = (call);                                                                      \
        cr_assert_eq(must_r_, 0, "%s: %d %s", #call, must_r_, must_r_ < 0 ? test_err.text : "");   \
    } while (0)

/* An exact result. */
#define GIVES(want, call)                                                                          \
    do {                                                                                           \
        int gives_r_ = (call);                                                                     \
        cr_assert_eq(gives_r_, (want), "%s: %d instead of %d %s", #call, gives_r_, (int)(want),    \
                     gives_r_ < 0 ? test_err.text : "");                                           \
    } while (0)

extern struct error test_err;

/* Runs body on a loop with a store on a fresh, migrated database; store->tenant is "acme". */
void with_store(void (*body)(struct store *store));

/* The same without migrations and tenant. */
void with_empty_database(void (*body)(struct store *store));

/* Another connection to the same database; pg_close it. */
SUSPENDS struct pg *another_pg(void);

/* The writer on this connection; it goes with the database. */
struct run_writer *writer_of(struct pg *pg);

/* Somebody at a prompt: a transaction that holds what `locking` (a query) locks, for `hold_ms`. */
struct lock_holder {
    struct pg *pg;
    const char *locking;
    int64_t hold_ms;
    bool holds;
    struct fiber *fiber; /* to be joined */
};

/* Returns when it holds them. */
SUSPENDS void lock_rows(struct lock_holder *holder, struct pg *pg, const char *locking,
                        int64_t hold_ms);

/* The store seen by another tenant. */
SUSPENDS struct store other_tenant(const struct store *store, const char *name);

/* Plain SQL over a blocking connection of its own: printf-like, for one statement or a script. */
void sql_do(const char *format, ...) PRINTF(1, 2);
int64_t sql_int(const char *format, ...) PRINTF(1, 2);

/* Each of those has a session of its own, which may still be about to end: waits until all have, so
 * that their statistics are seen. */
void sql_settle(void);

/* A string that lives in the store's arena, as libpq gives it ("" for NULL or no row). */
const char *sql_string(const struct store *store, const char *format, ...) PRINTF(2, 3);

/* How to connect to the test's database by libpq. */
const char *conninfo(const struct store *store);

/* For %s in SQL: four at a time. */
const char *show(struct uuid id);

SUSPENDS struct uuid must_agent(const struct store *store);
SUSPENDS struct uuid must_thread(const struct store *store);
struct message_draft user_message(const char *content_json);
struct run_draft run_of(struct uuid thread, struct uuid agent);

/* A queued run on a new thread. */
SUSPENDS struct run must_run(const struct store *store);
struct run must_large_run(const struct store *store, size_t spec_bytes); /* which compress well */

SUSPENDS int64_t must_worker(const struct store *store);

/* What the worker's heartbeat says over the connection `session`, without its lock: the lease is
 * renewed for 60 s. False: it was declared dead. */
bool beat(const struct store *store, int64_t worker, int64_t session);
SUSPENDS struct run_claim must_claim(const struct store *store, int64_t owner, struct uuid run);

/* Whether a write that returned this is asked for again, as workers do until it is known what
 * became of it: the writer itself stops after a few connections that broke one after the other. */
bool is_passing(int r);

SUSPENDS struct run must_get_run(const struct store *store, struct uuid run);
SUSPENDS struct thread must_get_thread(const struct store *store, struct uuid thread);

/* The run is in this state, and its thread is released exactly if that is terminal. */
SUSPENDS void check_run(const struct store *store, struct uuid run, enum run_status status);
