/* From what is stored, and from the draft, to events. A failure of the database ends nothing: it is
 * looked again. */

#include "scheduler/api/stream/telling.h"

#include "scheduler/api/request.h"
#include "shared/store/polls/run_reader.h"
#include "shared/store/polls/run_standings.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/threads/messages.h"

enum { STEPS_AT_ONCE = 16 };

#define FLUSH_BYTES ((size_t)64 << 10)

/* Of a run that has ended nothing will be told: nobody joins its readers. */
static bool has_joined(const struct telling *telling)
{
    return telling->reader.run != NULL;
}

static uint64_t stored_now(const struct telling *telling)
{
    return has_joined(telling) ? live_stored(&telling->reader) : 0;
}

bool telling_is_up_to_date(const struct telling *telling)
{
    return telling->looked && stored_now(telling) == telling->seen;
}

static void write_event(void *arg, const struct story_event *event)
{
    struct telling *telling = arg;

    telling->options.format->write(telling->options.memory, telling->options.out, event);
}

void telling_begin(struct telling *telling, const struct telling_options *options)
{
    *telling = (struct telling){
        .options = *options,
        .story = {.shown = options->shown, .tell = write_event, .arg = telling},
    };
    arena_init(&telling->row, 0);
}

void telling_end(struct telling *telling)
{
    if (has_joined(telling))
        live_leave(telling->options.api->live, &telling->reader);
    arena_deinit(&telling->row);
}

/* Into an arena of its own, which takes the place of the one before. `look` is at its steps; NULL:
 * at the run alone. Returns 0, RUN_MISSING, or a failure. */
static int read_run(struct telling *telling, struct run_look *look, struct error *err)
{
    const struct telling_options *options = &telling->options;
    struct store store = *options->store;
    struct arena row;
    struct run run;
    int r;

    arena_init(&row, 0);
    store.arena = &row;
    r = run_reader_look(options->api->run_reader, &store, options->thread, options->run, &run, look,
                        err);
    if (r == RUN_UNREAD) {
        store.pg = options->api->pg_large;
        r = runs_get(&store, options->thread, options->run, &run, err);
    }
    if (r != 0) {
        arena_deinit(&row);
        return r;
    }
    arena_deinit(&telling->row);
    telling->row = row;
    telling->run = run;
    telling->bare = false;
    return 0;
}

int telling_read(struct telling *telling, struct error *err)
{
    int r = read_run(telling, NULL, err);

    telling->fresh = r == 0;
    return r;
}

bool telling_join(struct telling *telling)
{
    const struct telling_options *options = &telling->options;

    if (telling->fresh && run_status_terminal(telling->run.status))
        return true;
    if (!options->held)
        return live_join_besides(options->api->live, &telling->reader, options->run);
    return live_join(options->api->live, &telling->reader, options->run, options->held);
}

void telling_rest(struct telling *telling)
{
    struct run *run = &telling->run;

    run->spec = run->metadata = run->last_error = run->incomplete_reason = TEXT_NONE;
    run->required_action = run->waits_for = run->user = run->tools = TEXT_NONE;
    telling->bare = true;
    telling->fresh = false;
    arena_deinit(&telling->row);
    arena_init(&telling->row, 0);
}

static void flush(struct telling *telling)
{
    if (!telling->broken && telling->options.out->len > 0)
        telling->broken = !telling->options.flush(telling->options.arg);
}

static int tell_step(struct telling *telling, const struct store *store,
                     const struct run_step *step, struct error *err)
{
    struct message message;
    bool there = step->type != STEP_MESSAGE_CREATION;
    int r = 0;

    if (!there) {
        r = messages_get(store, telling->run.thread_id, step->message_id, &message, err);
        there = r == 0;
    }
    if (r < 0)
        return r;
    story_step(&telling->story, step, there ? &message : NULL);
    if (telling->options.out->len >= FLUSH_BYTES)
        flush(telling);
    return 0;
}

/* A page of steps. Returns 0, or 1: there are more. */
static int tell_page(struct telling *telling, struct error *err)
{
    struct store store = *telling->options.store;
    struct run_step_list steps;
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    store.arena = &arena;
    r = run_steps_after(&store, telling->run.id, telling->story.shown.seq, STEPS_AT_ONCE, &steps,
                        err);
    for (size_t i = 0; r == 0 && i < steps.count && !telling->broken; i++)
        r = tell_step(telling, &store, &steps.items[i], err);
    if (r == 0 && steps.has_more && !telling->broken)
        r = 1;
    arena_deinit(&arena);
    return r;
}

static int tell_steps(struct telling *telling, struct error *err)
{
    int64_t before;
    int r;

    do {
        before = telling->story.shown.seq;
        r = tell_page(telling, err);
        flush(telling);
    } while (r == 1 && telling->story.shown.seq > before);
    return r < 0 ? r : 0;
}

/* What was found at once, and what there may be behind it. Nothing is where no worker has written
 * yet. */
static int tell_look(struct telling *telling, const struct run_look *look, struct error *err)
{
    for (size_t i = 0; i < look->count && !telling->broken; i++) {
        const struct looked_step *found = &look->steps[i];

        story_step(&telling->story, &found->step, found->has_message ? &found->message : NULL);
    }
    return look->more && telling->run.step > 0 ? tell_steps(telling, err) : 0;
}

static int read_and_tell(struct telling *telling, struct run_look *look, struct error *err)
{
    uint64_t stored = stored_now(telling);
    int r = telling->fresh ? 0 : read_run(telling, look, err);

    telling->fresh = false;
    if (r != 0)
        return r;
    if (has_joined(telling))
        live_has_read(telling->options.api->live, &telling->reader, stored,
                      &(struct run_standing_row){telling->run.id, telling->run.step,
                                                 (int)telling->run.status});
    story_run(&telling->story, &telling->run);
    r = tell_look(telling, look, err);
    if (r < 0)
        return r;
    telling->seen = stored;
    telling->looked = true;
    return 0;
}

/* What is stored. Returns 0, RUN_MISSING, or a failure.
 *
 * The row that a reader found when he came was read before he joined. What became of the run in
 * between, if anything, the sweep finds. */
static NOINLINE int look(struct telling *telling, struct error *err)
{
    struct run_look look = {.seq = telling->story.shown.seq, .more = true};
    struct arena arena;
    int r;

    if (telling_is_up_to_date(telling))
        return 0;
    arena_init(&arena, 0);
    look.arena = &arena;
    r = read_and_tell(telling, &look, err);
    arena_deinit(&arena);
    return r;
}

static bool is_over(const struct telling *telling)
{
    enum shown_run run = telling->story.shown.run;

    return run == SHOWN_ENDED || (run == SHOWN_REQUIRES_ACTION && telling->options.until_action);
}

/* The draft's reply began behind writes that were not seen: whoever told of them was not heard. One
 * more look shows them, unless the draft is none of a worker's. */
static bool has_missed(struct telling *telling, const struct draft *draft)
{
    if (uuid_is_zero(draft->reply) || draft->writes <= telling->run.step)
        return false;
    if (!uuid_equal(telling->looked_for, draft->reply))
        telling->looked = false;
    telling->looked_for = draft->reply;
    return true;
}

/* A piece of a draft may be the first sign that a run is at work, which is told with all of the
 * run. */
static bool lacks_row(struct telling *telling, const struct draft *draft)
{
    enum shown_run run = telling->story.shown.run;

    if (!telling->bare || uuid_is_zero(draft->reply) || run == SHOWN_IN_PROGRESS ||
        run == SHOWN_CANCELLING)
        return false;
    telling->looked = false;
    return true;
}

/* A draft is told only where all that is stored was. */
static void tell_draft(struct telling *telling)
{
    if (telling_is_up_to_date(telling) && !run_status_terminal(telling->run.status)) {
        const struct draft *draft = live_draft(&telling->reader);

        if (!has_missed(telling, draft) && !lacks_row(telling, draft))
            story_draft(&telling->story, draft);
    }
    if (!telling->bare)
        story_standing(&telling->story);
}

int telling_tell(struct telling *telling, bool *out_over, struct error *err)
{
    const struct telling_options *options = &telling->options;
    int r = look(telling, err);

    *out_over = false;
    if (r < 0)
        return r;
    if (r == RUN_MISSING) {
        options->format->error(options->memory, options->out, "run_deleted",
                               "The run was deleted.");
        *out_over = true;
        return r;
    }
    tell_draft(telling);
    if (!is_over(telling))
        return 0;
    r = options->format->end(options->memory, options->out, &telling->run, &telling->story.shown,
                             err);
    *out_over = r == 0;
    return r;
}
