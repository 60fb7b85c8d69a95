/* A flight: composing batches, and reading what came of them.
 *
 * A flight is a series of groups, each closed by a Sync: one implicit transaction, one fsync. A
 * fresh batch is one group; requests of a failed batch come back marked `alone` and then are groups
 * of one. Only the answer to the Sync says that a group is committed: statements before a failing
 * one report success and are rolled back all the same.
 *
 *      queue --load--> sent --Sync, no error--------------------------> done (0)
 *        ^              |-- error, group of one ----------------------> done (its error)
 *        |              |-- deadlock or stale statement, group of one --> caller sleeps --> queue,
 *        |              |     at most 3 times
 *        +--- alone ----+-- error, group of several
 *                       `-- connection lost --------------------------> done (-E_AMBIGUOUS)
 *
 * Statements are prepared in the pipeline, right before their first use, and count as prepared when
 * their answer says so: Parse is not undone by a rollback, but it is skipped after an error. While
 * that answer is out, a second group can't know; so the flight is closed before a group that would
 * need to.
 *
 * A migration may change what a prepared statement returns, which Postgres then refuses to run, and
 * a server may have become a standby: such a flight is `stale`, and the driver takes a new
 * connection.
 */

#include "shared/postgres/flight.h"

#include <string.h>

#include "shared/fiber/fiber.h"
#include "shared/postgres/outcome.h"
#include "shared/postgres/session.h"

#define RERUNS_MAX 3

void pg_request_finish(struct pg_request *request, int status)
{
    request->state = PG_REQUEST_DONE;
    request->status = status;
    fiber_wake(request->fiber);
}

static struct pg_item *add_item(struct pg_flight *flight)
{
    struct pg_item *item;

    ASSERT(flight->item_count < PG_FLIGHT_ITEMS_MAX);
    item = &flight->items[flight->item_count++];
    *item = (struct pg_item){.slot = flight->slot_count};
    return item;
}

static bool send_query(struct pg_flight *flight, struct pg_session *session,
                       const struct pg_query *query)
{
    struct pg_item *item;

    if (pg_prepared_get(&session->prepared, query->statement) == PG_PREPARED_NOT) {
        item = add_item(flight);
        item->kind = PG_ITEM_PREPARE;
        item->statement = query->statement;
        if (!pg_statement_send_prepare(session->conn, query->statement))
            return false;
        pg_prepared_put(&session->prepared, query->statement, PG_PREPARED_SENT);
    }
    item = add_item(flight);
    item->kind = PG_ITEM_QUERY;
    item->statement = query->statement;
    return pg_statement_send(session->conn, query, &session->scratch);
}

static bool send_request(struct pg_flight *flight, struct pg_session *session,
                         struct pg_request *request)
{
    bool sent = true;

    list_remove(&request->link);
    request->state = PG_REQUEST_SENT;
    request->slot = flight->slot_count;
    for (size_t i = 0; i < request->count && sent; i++)
        sent = send_query(flight, session, &request->queries[i]);
    flight->slots[flight->slot_count++] = request;
    return sent;
}

static bool send_sync(struct pg_flight *flight, struct pg_session *session)
{
    struct pg_item *item = add_item(flight);

    item->kind = PG_ITEM_SYNC;
    return PQpipelineSync(session->conn) == 1;
}

static bool awaits_prepare(const struct pg_request *request, const struct pg_session *session)
{
    for (size_t i = 0; i < request->count; i++) {
        if (pg_prepared_get(&session->prepared, request->queries[i].statement) == PG_PREPARED_SENT)
            return true;
    }
    return false;
}

static bool has_room(const struct pg_flight *flight, const struct pg_request *request, size_t bytes)
{
    if (flight->slot_count == 0)
        return true;
    return flight->slot_count < flight->slots_max &&
           bytes + request->bytes <= PG_FLIGHT_MAX_BYTES &&
           flight->item_count + 2 * request->count + 2 <= PG_FLIGHT_ITEMS_MAX;
}

static void reset(struct pg_flight *flight)
{
    ASSERT(!flight->failure);
    flight->slot_count = flight->item_count = flight->at = 0;
    flight->group_item = flight->group_slot = 0;
    flight->answered = flight->stale = false;
}

int pg_flight_load(struct pg_flight *flight, struct list *queue, struct pg_session *session,
                   struct error *err)
{
    bool alone = CONTAINER_OF(queue->next, struct pg_request, link)->alone;
    size_t bytes = 0;
    bool sent = true;

    _Static_assert(2 * PG_QUERIES_MAX + 2 <= PG_FLIGHT_ITEMS_MAX, "one request always fits");
    ASSERT(!list_empty(queue));
    reset(flight);
    while (!list_empty(queue) && sent) {
        struct pg_request *request = CONTAINER_OF(queue->next, struct pg_request, link);

        if (request->alone != alone || !has_room(flight, request, bytes))
            break;
        if (alone && flight->slot_count > 0 && awaits_prepare(request, session))
            break;
        bytes += request->bytes;
        sent = send_request(flight, session, request);
        if (sent && alone)
            sent = send_sync(flight, session);
    }
    if (sent && !alone)
        sent = send_sync(flight, session);
    return sent ? 0 : pg_session_broken(session, err);
}

static void drop_results(struct pg_flight *flight, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        PQclear(flight->items[i].result);
        flight->items[i].result = NULL;
    }
}

/* Committed: hands the results over, in order, and wakes the callers. */
static void group_done(struct pg_flight *flight, size_t end_slot)
{
    size_t item = flight->group_item;

    for (size_t slot = flight->group_slot; slot < end_slot; slot++) {
        struct pg_request *request = flight->slots[slot];
        size_t answer = 0;

        for (; item < flight->at && flight->items[item].slot == slot; item++) {
            if (flight->items[item].kind != PG_ITEM_QUERY || !request || !request->out_results)
                continue;
            request->out_results[answer++] = flight->items[item].result;
            flight->items[item].result = NULL;
        }
        flight->slots[slot] = NULL;
        if (request)
            pg_request_finish(request, 0);
    }
}

static void put_back(struct list *queue, struct pg_request *request)
{
    request->state = PG_REQUEST_QUEUED;
    request->alone = true;
    list_insert(queue->next, &request->link);
}

static void single_failed(struct pg_flight *flight, struct pg_request *request)
{
    bool again = pg_outcome_is_transient(flight->failure) || pg_outcome_is_stale(flight->failure);

    if (again && request->attempts < RERUNS_MAX) {
        request->state = PG_REQUEST_RERUN;
        ++*flight->reruns;
        fiber_wake(request->fiber);
        return;
    }
    pg_request_finish(request, pg_outcome_error(flight->failure, &request->error));
}

/* Rolled back. Alone, the failure is the request's own; in company each runs again, alone. Only a
 * statement that used up its time, or that for a lock, does not: it would once more. */
static void group_failed(struct pg_flight *flight, struct list *queue, size_t end_slot)
{
    bool company = end_slot - flight->group_slot > 1;

    for (size_t slot = end_slot; slot-- > flight->group_slot;) {
        struct pg_request *request = flight->slots[slot];
        bool guilty = slot == flight->failed_slot;

        flight->slots[slot] = NULL;
        if (!request)
            continue;
        if (!company || (guilty && pg_outcome_is_timeout(flight->failure))) {
            single_failed(flight, request);
            continue;
        }
        put_back(queue, request);
        ++*flight->reruns;
    }
}

static void on_sync(struct pg_flight *flight, struct list *queue)
{
    size_t end_slot = flight->items[flight->at].slot;

    if (flight->failure)
        group_failed(flight, queue, end_slot);
    else
        group_done(flight, end_slot);
    drop_results(flight, flight->group_item, flight->at);
    PQclear(flight->failure);
    flight->failure = NULL;
    flight->at++;
    flight->answered = false;
    flight->group_item = flight->at;
    flight->group_slot = end_slot;
}

static int lost(const PGresult *result, struct error *err)
{
    char line[200];

    pg_outcome_line(PQresultErrorMessage(result), line, sizeof(line));
    return error_set(err, E_CLOSED, "%s", line[0] ? line : "the server ended the connection");
}

/* Takes `result`. */
static int on_result(struct pg_flight *flight, PGresult *result, struct pg_session *session,
                     struct error *err)
{
    struct pg_item *item = &flight->items[flight->at];
    enum pg_verdict verdict = pg_outcome_of(result);
    int r = 0;

    flight->answered = true;
    if (item->kind == PG_ITEM_PREPARE && verdict != PG_LOST)
        pg_prepared_put(&session->prepared, item->statement,
                        verdict == PG_DONE ? PG_PREPARED_READY : PG_PREPARED_NOT);
    switch (verdict) {
    case PG_DONE:
        if (item->kind == PG_ITEM_QUERY && !item->result) {
            item->result = result;
            return 0;
        }
        break;
    case PG_FAILED:
        if (flight->failure)
            break;
        flight->failure = result;
        flight->stale |= pg_outcome_is_stale(result);
        flight->failed_slot = item->kind == PG_ITEM_SYNC ? flight->slot_count : item->slot;
        return 0;
    case PG_SKIPPED:
        break;
    case PG_LOST:
        r = lost(result, err);
        break;
    case PG_STRANGE:
        r = error_set(err, E_CLOSED, "the database sent an answer out of order (%s)",
                      PQresStatus(PQresultStatus(result)));
        break;
    }
    PQclear(result);
    return r;
}

/* The end of an item's answers. */
static int on_end(struct pg_flight *flight, struct pg_session *session, struct error *err)
{
    if (!flight->answered)
        return pg_session_broken(session, err);
    flight->answered = false;
    /* An error that answers a Sync (a deferred constraint) is followed by the Sync's own answer. */
    if (flight->items[flight->at].kind != PG_ITEM_SYNC)
        flight->at++;
    return 0;
}

int pg_flight_read(struct pg_flight *flight, struct list *queue, struct pg_session *session,
                   struct error *err)
{
    while (flight->at < flight->item_count) {
        PGresult *result;
        int r = 0;

        if (PQisBusy(session->conn))
            return PQstatus(session->conn) == CONNECTION_BAD ? pg_session_broken(session, err) : 0;
        result = PQgetResult(session->conn);
        if (!result) {
            r = on_end(flight, session, err);
        } else if (flight->items[flight->at].kind == PG_ITEM_SYNC &&
                   PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            on_sync(flight, queue);
        } else {
            r = on_result(flight, result, session, err);
        }
        if (r < 0)
            return r;
    }
    return PG_FLIGHT_LANDED;
}

size_t pg_flight_crash(struct pg_flight *flight, struct list *queue, const struct error *why)
{
    size_t group_end = flight->slot_count;
    size_t ambiguous = 0;

    for (size_t i = flight->at; i < flight->item_count; i++) {
        if (flight->items[i].kind == PG_ITEM_SYNC) {
            group_end = flight->items[i].slot;
            break;
        }
    }
    for (size_t slot = flight->slot_count; slot-- > 0;) {
        struct pg_request *request = flight->slots[slot];

        flight->slots[slot] = NULL;
        if (!request)
            continue;
        if (flight->failure && slot < group_end) {
            put_back(queue, request);
            continue;
        }
        ambiguous++;
        pg_request_finish(request,
                          error_set(&request->error, E_AMBIGUOUS,
                                    "the database connection broke after sending: %s", why->text));
    }
    drop_results(flight, 0, flight->item_count);
    PQclear(flight->failure);
    flight->failure = NULL;
    reset(flight);
    return ambiguous;
}

void pg_flight_detach(struct pg_flight *flight, struct pg_request *request)
{
    ASSERT(request->state == PG_REQUEST_SENT);
    ASSERT(flight->slots[request->slot] == request);
    flight->slots[request->slot] = NULL;
}

size_t pg_flight_count(const struct pg_flight *flight)
{
    size_t count = 0;

    if (flight->at == flight->item_count)
        return 0;
    for (size_t i = flight->group_slot; i < flight->slot_count; i++)
        count += flight->slots[i] != NULL;
    return count;
}
