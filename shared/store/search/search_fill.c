/* Filling what search looks into. See search_fill.h.
 *
 * A message that is filled is locked against its deletion (FOR KEY SHARE, as the foreign key of
 * message_search does): a deletion that came first is waited for, and the message is left out; one
 * that comes later waits for the end of the round, and takes the new row with it.
 *
 * Rows are joined by "= ANY (ARRAY[…])", which is done by index only, for one row after the other.
 */

#include "shared/store/search/search_fill.h"

#include <string.h>

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement search_turn = {
    .name = "search_turn",
    .sql =
        "SELECT scope, final, seen, mark, mark_xmax,"
        "    (extract(epoch FROM clock_timestamp() - marked_at) * 1000)::int8,"
        "    backlog_at, backlog_to"
        " FROM search_state"
        " FOR UPDATE SKIP LOCKED",
    .types = "",
};

/* All of one snapshot. */
static const struct pg_statement search_look = {
    .name = "search_look",
    .sql =
        "SELECT coalesce(("
        "        SELECT m.position"
        "        FROM messages m"
        "        WHERE NOT m.hidden"
        "        ORDER BY m.position DESC"
        "        LIMIT 1), 0),"
        "    pg_snapshot_xmin(pg_current_snapshot())::text::int8,"
        "    pg_snapshot_xmax(pg_current_snapshot())::text::int8,"
        "    EXISTS (SELECT 1 FROM threads t WHERE t.user_id IS NOT NULL),"
        "    EXISTS (SELECT 1 FROM search_queue)",
    .types = "",
};

/* $1: after this position, $2: up to this one, $3: so many, $4: of all threads, $5: bare, $6: the
 * thread. */
#define FILL(of_thread, unless_there, when_there) \
    "WITH page AS MATERIALIZED (" \
    "    SELECT m.id, m.thread_id, m.position" \
    "    FROM messages m" \
    "    WHERE NOT m.hidden" \
    "      AND m.position > $1" \
    "      AND m.position <= $2" of_thread \
    "    ORDER BY m.position" \
    "    LIMIT $3)," \
    " found AS MATERIALIZED (" \
    "    SELECT p.id, t.user_id" \
    "    FROM page p" \
    "    JOIN threads t ON t.id = ANY (ARRAY[p.thread_id])" \
    "      AND " SQL_SEARCHED("t", "$4") unless_there "," \
    " held AS MATERIALIZED (" \
    "    SELECT m.id, m.tenant_id, m.thread_id, m.position, m.content, f.user_id" \
    "    FROM found f" \
    "    JOIN messages m ON m.id = ANY (ARRAY[f.id])" \
    "    FOR KEY SHARE OF m)," \
    " filled AS (" \
    "    INSERT INTO message_search AS s (message_id, tenant_id, thread_id, position, words)" \
    "    SELECT h.id, h.tenant_id, h.thread_id, h.position," \
    "        CASE WHEN $5 THEN ''" \
    "            ELSE penstock_search_words(h.tenant_id, h.user_id, h.content) END" \
    "    FROM held h" \
    "    ON CONFLICT (message_id) " when_there \
    "    RETURNING s.words = '' AS skipped)" \
    " SELECT (SELECT count(*) FROM page), coalesce((SELECT max(position) FROM page), 0)," \
    "    count(*), count(*) FILTER (WHERE skipped)" \
    " FROM filled"

static const struct pg_statement search_fill_range = {
    .name = "search_fill_range",
    .sql = FILL("",
        " WHERE NOT EXISTS (SELECT 1 FROM message_search s WHERE s.message_id = p.id))",
        "DO NOTHING"),
    .types = "iiibb",
};

static const struct pg_statement search_fill_thread = {
    .name = "search_fill_thread",
    .sql = FILL(" AND m.thread_id = $6", ")", "DO UPDATE SET words = EXCLUDED.words"),
    .types = "iiibbu",
};

static const struct pg_statement search_next_thread = {
    .name = "search_next_thread",
    .sql = "SELECT thread_id, done FROM search_queue LIMIT 1 FOR UPDATE SKIP LOCKED",
    .types = "",
};

static const struct pg_statement search_thread_done = {
    .name = "search_thread_done",
    .sql = "DELETE FROM search_queue WHERE thread_id = $1",
    .types = "u",
};

static const struct pg_statement search_thread_goes_on = {
    .name = "search_thread_goes_on",
    .sql = "UPDATE search_queue SET done = $2 WHERE thread_id = $1",
    .types = "ui",
};

static const struct pg_statement search_move = {
    .name = "search_move",
    .sql =
        "UPDATE search_state"
        " SET scope = $1, final = $2, seen = $3, mark = $4, mark_xmax = $5,"
        "    marked_at = CASE WHEN $6 THEN clock_timestamp() ELSE marked_at END,"
        "    backlog_at = $7, backlog_to = $8",
    .types = "tiiiibii",
};
/* clang-format on */

struct state {
    bool all; /* the widest scope that was filled */
    int64_t final;
    int64_t seen;
    int64_t mark;
    int64_t mark_xmax;
    int64_t mark_age_ms;
    bool marked; /* anew, by this round */
    int64_t backlog_at;
    int64_t backlog_to;
};

struct look {
    int64_t top; /* the highest visible position */
    int64_t xmin;
    int64_t xmax;
    bool users; /* some thread has a user */
    bool queued;
};

/* A round while it is under way. */
struct turn {
    struct pg_tx *tx;
    const struct search_round *round;
    struct state state;
    struct search_filled filled;
};

struct range {
    int64_t after;
    int64_t to;
};

/* Returns 0, or 1: another process has the turn. */
SUSPENDS static int take_turn(struct turn *turn, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_tx_exec(turn->tx, &search_turn, NULL, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return 1;
    turn->state = (struct state){
        .all = text_is(pg_get_text(result, 0, 0), "all"),
        .final = pg_get_int(result, 0, 1),
        .seen = pg_get_int(result, 0, 2),
        .mark = pg_get_int(result, 0, 3),
        .mark_xmax = pg_get_int(result, 0, 4),
        .mark_age_ms = pg_get_int(result, 0, 5),
        .backlog_at = pg_get_int(result, 0, 6),
        .backlog_to = pg_get_int(result, 0, 7),
    };
    return 0;
}

SUSPENDS static int look_around(struct turn *turn, struct look *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_tx_exec(turn->tx, &search_look, NULL, &result, err);

    if (r < 0)
        return r;
    *out =
        (struct look){pg_get_int(result, 0, 0), pg_get_int(result, 0, 1), pg_get_int(result, 0, 2),
                      pg_get_bool(result, 0, 3), pg_get_bool(result, 0, 4)};
    return 0;
}

/* Fills a batch of a range, or of the thread where it is not zero. *out: up to where, which is the
 * range's end when there was no more. */
SUSPENDS static int fill(struct turn *turn, const struct range *range, struct uuid thread,
                         int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    bool of_thread = !uuid_is_zero(thread);
    int limit = turn->round->bare ? 1 : turn->round->batch;
    struct pg_value values[6] = {
        pg_int(range->after),
        pg_int(range->to),
        pg_int(limit),
        pg_bool(turn->round->scope == SEARCH_ALL),
        pg_bool(turn->round->bare),
        pg_uuid(thread),
    };
    int r = pg_tx_exec(turn->tx, of_thread ? &search_fill_thread : &search_fill_range, values,
                       &result, err);

    if (r < 0)
        return r;
    turn->filled.looked = pg_get_int(result, 0, 0);
    turn->filled.filled = pg_get_int(result, 0, 2);
    turn->filled.skipped = pg_get_int(result, 0, 3);
    turn->filled.more = turn->filled.looked == limit;
    *out = turn->filled.more ? pg_get_int(result, 0, 1) : range->to;
    return 0;
}

/* Older messages wait in one range: what lies between two of them is looked at once more. */
static void leave_behind(struct state *state, int64_t after, int64_t to)
{
    if (state->backlog_at >= state->backlog_to || after < state->backlog_at)
        state->backlog_at = after;
    if (to > state->backlog_to)
        state->backlog_to = to;
}

/* What scope is asked for now, and what was filled before. */
static void widen(struct turn *turn)
{
    bool all = turn->round->scope == SEARCH_ALL;

    if (all && !turn->state.all)
        leave_behind(&turn->state, 0, turn->state.final);
    turn->state.all = all;
}

/* All up to the mark are visible. */
SUSPENDS static int fill_final(struct turn *turn, const struct look *look, struct error *err)
{
    struct state *state = &turn->state;
    bool belongs = look->users || turn->round->scope == SEARCH_ALL;

    if (!belongs) {
        state->final = state->mark;
        return 0;
    }
    if (state->mark - state->final > SEARCH_TAIL_MAX) {
        leave_behind(state, state->final, state->mark - SEARCH_TAIL_KEPT);
        state->final = state->mark - SEARCH_TAIL_KEPT;
    }
    return fill(turn, &(struct range){state->final, state->mark}, (struct uuid){{0}}, &state->final,
                err);
}

/* Some transaction stays open. What it has written will be read after its end. */
SUSPENDS static int fill_visible(struct turn *turn, const struct look *look, struct error *err)
{
    struct state *state = &turn->state;
    int64_t after = state->seen > state->final ? state->seen : state->final;

    if (!look->users && turn->round->scope == SEARCH_USERS)
        return 0;
    return fill(turn, &(struct range){after, look->top}, (struct uuid){{0}}, &state->seen, err);
}

SUSPENDS static int fill_tail(struct turn *turn, struct error *err)
{
    struct state *state = &turn->state;
    struct look look;
    int r = look_around(turn, &look, err);

    if (r < 0)
        return r;
    widen(turn);
    turn->filled.queued = look.queued;
    if (state->mark > state->final && look.xmin >= state->mark_xmax)
        r = fill_final(turn, &look, err);
    else if (state->mark > state->final && state->mark_age_ms > SEARCH_STUCK_MS)
        r = fill_visible(turn, &look, err);
    if (r < 0)
        return r;
    if (state->mark <= state->final && look.top > state->final) {
        state->mark = look.top;
        state->mark_xmax = look.xmax;
        state->marked = true;
    }
    state->seen = state->seen > state->final ? state->seen : state->final;
    turn->filled.behind = look.top > state->seen ? look.top - state->seen : 0;
    return 0;
}

SUSPENDS static int fill_queued(struct turn *turn, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int64_t done;
    int r = pg_tx_exec(turn->tx, &search_next_thread, NULL, &result, err);

    if (r < 0 || pg_rows(result) == 0)
        return r;

    struct pg_value values[2] = {pg_uuid(pg_get_uuid(result, 0, 0)), pg_null()};
    struct range range = {pg_get_int(result, 0, 1), INT64_MAX};

    r = fill(turn, &range, pg_get_uuid(result, 0, 0), &done, err);
    if (r < 0)
        return r;
    values[1] = pg_int(done);
    if (turn->filled.more)
        return pg_tx_exec(turn->tx, &search_thread_goes_on, values, NULL, err);
    turn->filled.more = true; /* perhaps of another thread */
    return pg_tx_exec(turn->tx, &search_thread_done, values, NULL, err);
}

SUSPENDS static int fill_backlog(struct turn *turn, struct error *err)
{
    struct state *state = &turn->state;

    if (state->backlog_at >= state->backlog_to)
        return 0;
    return fill(turn, &(struct range){state->backlog_at, state->backlog_to}, (struct uuid){{0}},
                &state->backlog_at, err);
}

SUSPENDS static int move(struct turn *turn, struct error *err)
{
    const struct state *state = &turn->state;
    struct pg_value values[8] = {
        pg_string(state->all ? "all" : "users"),
        pg_int(state->final),
        pg_int(state->seen),
        pg_int(state->mark),
        pg_int(state->mark_xmax),
        pg_bool(state->marked),
        pg_int(state->backlog_at),
        pg_int(state->backlog_to),
    };

    return pg_tx_exec(turn->tx, &search_move, values, NULL, err);
}

/* Returns 0, or 1: another process has the turn. */
SUSPENDS static int work(struct turn *turn, struct error *err)
{
    struct state before;
    int r = take_turn(turn, err);

    if (r != 0)
        return r;
    before = turn->state;
    switch (turn->round->job) {
    case SEARCH_TAIL:
        r = fill_tail(turn, err);
        break;
    case SEARCH_QUEUE:
        r = fill_queued(turn, err);
        break;
    case SEARCH_BACKLOG:
        r = fill_backlog(turn, err);
        break;
    case SEARCH_JOBS:
        ASSERT(!"a job");
    }
    turn->filled.backlog = turn->state.backlog_to - turn->state.backlog_at;
    if (r == 0 && memcmp(&before, &turn->state, sizeof(before)) != 0)
        r = move(turn, err);
    return r;
}

int search_fill(struct pg *pg, const struct search_round *round, struct search_filled *out,
                struct error *err)
{
    struct turn turn = {.round = round};
    int r;

    ASSERT(round->scope != SEARCH_OFF);
    ASSERT(round->batch >= 1 && round->batch <= SEARCH_BATCH_MAX);
    r = pg_begin(pg, &turn.tx, err);
    if (r < 0)
        return r;
    r = work(&turn, err);
    if (r != 0) {
        pg_rollback(turn.tx);
        if (r > 0)
            *out = (struct search_filled){.elsewhere = true};
        return r > 0 ? 0 : r;
    }
    r = pg_commit(turn.tx, err);
    if (r == 0)
        *out = turn.filled;
    return r;
}
