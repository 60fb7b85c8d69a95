#pragma once
/* A flight: requests that left together on the shared connection, and their answers. Internal to
 * shared/postgres.
 *
 * A request is on the queue (not sent), in a flight (sent), detached from it (its caller gave up),
 * or done. It lives in the frame of its caller, who may leave only when it is none of the former
 * two; a flight forgets a detached request, so nothing of the caller is touched any more.
 */

#include <libpq-fe.h>

#include "shared/base/compiler.h"
#include "shared/base/error.h"
#include "shared/base/list.h"
#include "shared/postgres/postgres.h"

#define PG_FLIGHT_ITEMS_MAX 1536
#define PG_FLIGHT_MAX_BYTES ((size_t)1024 * 1024)

struct fiber;
struct pg_session;

enum pg_request_state {
    PG_REQUEST_QUEUED,
    PG_REQUEST_SENT,
    PG_REQUEST_RERUN, /* rolled back by a deadlock: its caller waits a moment and queues it again */
    PG_REQUEST_DONE,
};

struct pg_request {
    struct list link; /* on the queue */
    struct fiber *fiber;
    const struct pg_query *queries;
    size_t count;
    struct pg_result **out_results; /* or NULL */
    size_t bytes;
    enum pg_request_state state;
    bool alone;        /* with a Sync of its own */
    unsigned attempts; /* reruns after a deadlock */
    size_t slot;       /* while sent: where the flight keeps it */
    int status;        /* when done */
    struct error error;
};

/* One answer that we wait for. */
struct pg_item {
    enum { PG_ITEM_PREPARE, PG_ITEM_QUERY, PG_ITEM_SYNC } kind;
    const struct pg_statement *statement; /* not of a Sync */
    size_t slot;                          /* of a Sync: the first slot after its group */
    PGresult *result;                     /* of a query */
};

struct pg_flight {
    struct pg_request *slots[PG_BATCH_MAX]; /* NULL: detached */
    size_t slot_count;
    size_t slots_max; /* PG_BATCH_MAX, or less */
    struct pg_item items[PG_FLIGHT_ITEMS_MAX];
    size_t item_count;
    size_t at;         /* the item that is answered next */
    bool answered;     /* item `at` has a result, its end is still to come */
    bool stale;        /* the connection's statements must be prepared anew: replace it */
    size_t group_item; /* where the group of item `at` begins */
    size_t group_slot;
    PGresult *failure;  /* of that group: why it is rolled back */
    size_t failed_slot; /* whose statement failed; slot_count when the commit did */
    uint64_t *reruns;   /* counter */
};

/* Takes requests off the queue and hands them to libpq. Returns 0, or -E_CLOSED when libpq refused
 * (what was handed over is in the flight then). */
MUSTCHECK int pg_flight_load(struct pg_flight *flight, struct list *queue,
                             struct pg_session *session, struct error *err);

/* Takes what answers have arrived. Returns PG_FLIGHT_LANDED when all have, 0 when some are still
 * out, -E_CLOSED when the connection is of no use any more. Requests that must be run again go to
 * the front of the queue; the callers of the others are woken. */
enum { PG_FLIGHT_LANDED = 1 };
MUSTCHECK int pg_flight_read(struct pg_flight *flight, struct list *queue,
                             struct pg_session *session, struct error *err);

/* The connection was lost. Requests of a group that had failed before were rolled back for certain
 * and go back to the queue; the others end with -E_AMBIGUOUS. Returns their number. */
size_t pg_flight_crash(struct pg_flight *flight, struct list *queue, const struct error *why);

/* The caller of a sent request gives up. */
void pg_flight_detach(struct pg_flight *flight, struct pg_request *request);

size_t pg_flight_count(const struct pg_flight *flight); /* requests not answered */

/* Ends a request that is on no list, and wakes its caller. */
void pg_request_finish(struct pg_request *request, int status);
