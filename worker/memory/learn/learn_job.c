/* The job "memories": what a user said on a thread is gone through, and what of it will matter in
 * other conversations is kept.
 *
 * How far the thread was gone through is a mark (shared/store/users/memory_marks.h). What is to be
 * kept waits there before it is kept, so a worker that dies loses nothing, and nothing is kept
 * twice. Of two runs at once for one mark, one finds that it has moved, and ends.
 */

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/utf8.h"
#include "shared/config/config.h"
#include "shared/json/json_write.h"
#include "shared/store/users/memory_marks.h"
#include "shared/text/tokens.h"
#include "worker/memory/job.h"
#include "worker/memory/learn/learned.h"
#include "worker/state.h"
#include "worker/tools/memory/known.h"

#define SAYINGS_MAX    200   /* messages that one run goes through */
#define SAYING_CHARS   4000  /* of each */
#define DOCUMENT_BYTES 65536 /* of what was said, in all */
#define QUESTION_BYTES 8192  /* of it, by which known memories are looked for */
#define PAGE           50
#define KNOWN_TOKENS   8000 /* of the memories that the model is shown */
#define NOTE_TOKENS    24   /* of what stands around one */
#define ANSWER_TOKENS  2000
#define DEADLINE_MS    30000 /* of what is asked beside the model */
#define ASKS_MAX       5     /* while what is known changes under it; then its answer holds */
#define ASK_AGAIN_MS   200

struct learn {
    struct run_recall whose;
    struct memory_mark mark;
    struct memory_mark_state state;
    struct thread_sayings sayings;
    struct learned_known known[LEARNED_KNOWN_MAX];
    size_t known_count;
    int64_t known_tokens;
    struct chat_message message;
    struct chat_request request;
    size_t kept[3]; /* by action */
    size_t refused;
};

static struct store store_of(const struct run_task *task)
{
    return (struct store){.pg = task->worker->pg,
                          .tenant = task->claim.row.tenant_id,
                          .arena = (struct arena *)&task->arena};
}

static struct known_place place_of(struct run_task *task, const struct learn *learn)
{
    const struct run_claim *row = &task->claim.row;

    return (struct known_place){
        .means = &task->worker->vectors,
        .pg = task->worker->large,
        .tenant = row->tenant_id,
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
        .user = learn->mark.user,
        .run = row->lease.run,
        .agent = learn->whose.agent,
        .deadline_ms = deadline_min(task->deadline_ms, deadline_in(DEADLINE_MS)),
        .arena = &task->arena,
    };
}

static int finish(struct run_task *task, const char *outcome)
{
    const struct learn *learn = task->memory->own;
    CLEANUP(buf_deinit) struct buf more;
    struct json_write write;

    buf_init(&more, 0);
    json_write_init(&write, &more);
    json_write_open_object(&write, NULL);
    json_write_int(&write, "messages", (int64_t)learn->sayings.count);
    json_write_int(&write, "added", (int64_t)learn->kept[LEARNED_ADD]);
    json_write_int(&write, "replaced", (int64_t)learn->kept[LEARNED_REPLACE]);
    json_write_int(&write, "forgotten", (int64_t)learn->kept[LEARNED_FORGET]);
    json_write_int(&write, "refused", (int64_t)learn->refused);
    json_write_close(&write);
    return memory_finish(task, outcome, buf_text(&more));
}

/* ---- keeping ---- */

static int keep_one(struct run_task *task, struct learn *learn, const struct learned_op *op,
                    struct error *err)
{
    struct known_place place = place_of(task, learn);
    struct store store = store_of(task);
    struct memory_draft draft = {
        .id = op->id,
        .agent = learn->mark.agent,
        .kind = op->kind,
        .source = MEMORY_BY_RUN,
        .source_run = task->claim.row.lease.run,
        .source_thread = learn->mark.thread,
    };
    struct memory_text made;
    struct memory memory;
    int r;

    if (op->action == LEARNED_FORGET) {
        r = memories_forget(&store, learn->mark.user, op->old, op->old_version, err);
        learn->kept[op->action] += r == 0;
        return r < 0 ? r : 0;
    }
    r = memory_text_make(&task->arena, op->text, &made);
    if (r == 0)
        r = known_content(&place, &made, &draft.content, err);
    if (r == 0)
        r = known_keep(&place, op->old, op->old_version, &draft, &memory, err);
    if (r == 0 && uuid_equal(memory.id, op->id)) /* else it was known in these words */
        learn->kept[op->action]++;
    return r < 0 ? r : 0;
}

/* What is pending is kept, and the mark moves. */
static int keep_all(struct run_task *task, struct learn *learn, const struct learned *learned,
                    struct error *err)
{
    struct store store = store_of(task);
    int r = 0;

    for (size_t i = 0; r == 0 && i < learned->count; i++)
        r = keep_one(task, learn, &learned->ops[i], err);
    learn->refused += learned->refused;
    if (r == 0)
        r = memory_marks_settle(&store, &learn->mark, learn->state.position, learned->to, err);
    if (r == 0)
        learn->state = (struct memory_mark_state){.position = learned->to};
    return r;
}

/* What somebody before us did not come to keep. */
static int keep_pending(struct run_task *task, struct learn *learn, struct error *err)
{
    struct learned learned;
    int r;

    if (!learn->state.pending.ptr)
        return 0;
    r = learned_parse(learn->state.pending, &task->arena, &learned, err);
    return r < 0 ? r : keep_all(task, learn, &learned, err);
}

/* ---- gathering ---- */

/* As much as one document may have; the rest is for the next run. Returns whether a user said
 * anything. */
static bool bound_sayings(struct thread_sayings *sayings)
{
    size_t bytes = 0;
    bool of_user = false;

    for (size_t i = 0; i < sayings->count; i++) {
        bytes += sayings->items[i].text.len;
        if (i > 0 && bytes > DOCUMENT_BYTES) {
            sayings->count = i;
            sayings->to = sayings->items[i - 1].position;
            sayings->has_more = true;
            break;
        }
        of_user = of_user || sayings->items[i].role == MESSAGE_USER;
    }
    return of_user;
}

/* What the user said, the newest first, as a question for what is known. */
static void write_question(const struct thread_sayings *sayings, struct buf *out)
{
    for (size_t i = sayings->count; i > 0 && out->len < QUESTION_BYTES; i--) {
        const struct thread_saying *saying = &sayings->items[i - 1];

        if (saying->role != MESSAGE_USER)
            continue;
        buf_add(out, saying->text.ptr,
                utf8_prefix(saying->text.ptr, saying->text.len, QUESTION_BYTES - out->len));
        buf_add_char(out, '\n');
    }
}

/* Whether there is room for more. What is common knowledge is not one agent's to change. */
static bool add_known(struct learn *learn, const struct memory *memory)
{
    int64_t tokens = NOTE_TOKENS + tokens_estimate(memory->text, TOKENS_O200K);

    if (learn->known_count == LEARNED_KNOWN_MAX || learn->known_tokens + tokens > KNOWN_TOKENS)
        return false;
    if (!uuid_equal(memory->agent, learn->mark.agent))
        return true;
    for (size_t i = 0; i < learn->known_count; i++)
        if (uuid_equal(learn->known[i].id, memory->id))
            return true;
    learn->known[learn->known_count++] = (struct learned_known){
        memory->id, memory->version, memory->kind, memory->text, memory->updated_at};
    learn->known_tokens += tokens;
    return true;
}

/* What contradicts what is said now may be said in quite other words: while there is room, what was
 * noted last is shown as well. */
static int add_newest(struct run_task *task, struct learn *learn, struct error *err)
{
    const struct memory_filter filter = {
        .of_agent = true, .agent = learn->mark.agent, .kind = -1, .which = MEMORIES_LIVING};
    struct page page = {.limit = PAGE};
    struct store store = store_of(task);
    struct memory_list newest = {.has_more = true};
    bool has_room = true;
    int r = 0;

    while (r == 0 && has_room && newest.has_more) {
        r = memories_list(&store, learn->mark.user, &filter, &page, &newest, err);
        for (size_t i = 0; r == 0 && has_room && i < newest.count; i++) {
            has_room = add_known(learn, &newest.items[i]);
            page.after = newest.items[i].id;
        }
    }
    return r;
}

static int find_known(struct run_task *task, struct learn *learn, struct error *err)
{
    CLEANUP(buf_deinit) struct buf question;
    struct known_place place = place_of(task, learn);
    struct memory_findings found;
    int r;

    buf_init(&question, 0);
    write_question(&learn->sayings, &question);
    r = known_search(&place,
                     &(struct known_wanted){.question = buf_text(&question),
                                            .limit = MEMORY_SEARCH_MAX,
                                            .threshold = 0},
                     &found, err);
    for (size_t i = 0; r == 0 && i < found.count; i++)
        (void)add_known(learn, &found.items[i].memory);
    return r < 0 ? r : add_newest(task, learn, err);
}

static int write_request(struct run_task *task, struct learn *learn)
{
    CLEANUP(buf_deinit) struct buf instructions;
    CLEANUP(buf_deinit) struct buf document;
    const char *texts[2];

    buf_init(&instructions, 0);
    buf_init(&document, 0);
    learn_instructions_write(&task->setup.memories, &instructions);
    learn_document_write(&learn->sayings, learn->known, learn->known_count, clock_wall_ms() / 1000,
                         &document);
    texts[0] = instructions.failed ? NULL : arena_copy(&task->arena, buf_text(&instructions));
    texts[1] = document.failed ? NULL : arena_copy(&task->arena, buf_text(&document));
    if (!texts[0] || !texts[1])
        return ending_out_of_memory(&task->ending);
    learn->message = (struct chat_message){.role = CHAT_USER, .text = {texts[1], document.len}};
    learn->request = (struct chat_request){
        .instructions = {texts[0], instructions.len},
        .messages = &learn->message,
        .messages_count = 1,
        .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                            .name = TEXT("changes"),
                            .schema = text_of(learn_schema),
                            .strict = CHAT_SWITCH_ON},
        .max_completion_tokens = ANSWER_TOKENS,
    };
    task->setup.asked = &learn->request;
    return RUN_GO_ON;
}

/* Nothing of what was looked at is worth asking. */
static int pass(struct run_task *task, struct learn *learn, struct error *err)
{
    struct store store = store_of(task);
    int r =
        memory_marks_settle(&store, &learn->mark, learn->state.position, learn->sayings.to, err);

    return r < 0 ? r : finish(task, "nothing_said");
}

/* Whose run it is, and where the thread was left. Returns 0, THREAD_MISSING or an error. */
static int open_mark(struct run_task *task, struct learn *learn, struct error *err)
{
    struct store store = store_of(task);
    int r = run_recalls_read(&store, task->claim.row.lease.run, &learn->whose, err);

    if (r == RUN_MISSING || (r == 0 && !learn->whose.user.ptr))
        return THREAD_MISSING;
    learn->mark =
        (struct memory_mark){.thread = task->claim.row.thread_id, .user = learn->whose.user};
    if (task->setup.memories.of_agent)
        learn->mark.agent = learn->whose.agent;
    return r < 0 ? r
                 : memory_marks_open(&store, &learn->mark, task->claim.row.lease.run, &learn->state,
                                     err);
}

static int gather(struct run_task *task, struct error *err)
{
    struct learn *learn = arena_calloc(&task->arena, 1, sizeof(*learn));
    struct store store = store_of(task);
    int r;

    if (!learn)
        return ending_out_of_memory(&task->ending);
    task->memory->own = learn;
    r = open_mark(task, learn, err);
    if (r == 0)
        r = keep_pending(task, learn, err);
    if (r == THREAD_MISSING)
        return finish(task, "gone");
    if (r == 0)
        r = thread_sayings(&store, &learn->mark, learn->state.position, SAYINGS_MAX, SAYING_CHARS,
                           &learn->sayings, err);
    if (r < 0)
        return r;
    if (!bound_sayings(&learn->sayings))
        return pass(task, learn, err);
    r = find_known(task, learn, err);
    return r < 0 ? r : write_request(task, learn);
}

/* ---- the answer ---- */

/* What was not gone through yet is for another run, at once. */
static void go_on(struct run_task *task, const struct learn *learn)
{
    struct memory_run *next;

    if (!learn->sayings.has_more)
        return;
    next = arena_calloc(&task->arena, 1, sizeof(*next));
    if (!next || !learn->whose.about.ptr)
        return;
    *next = (struct memory_run){
        .id = uuid_new(), .about = learn->whose.about, .spec = json_text(task->memory->spec)};
    task->ending.end.follows = next;
    task->ending.end.follows_count = 1;
}

/* Whether what the model was shown has changed meanwhile, where its answer changes it: by a run for
 * another thread of the user, or by himself. */
static int look_again(struct run_task *task, const struct learn *learn,
                      const struct learned *learned, bool *out_changed, struct error *err)
{
    struct uuid olds[LEARNED_OPS_MAX];
    struct store store = store_of(task);
    struct memory_list now = {.count = 0};
    size_t count = 0;
    size_t same = 0;
    int r = 0;

    for (size_t i = 0; i < learned->count; i++)
        if (!uuid_is_zero(learned->ops[i].old))
            olds[count++] = learned->ops[i].old;
    if (count > 0)
        r = memories_of_ids(&store, learn->mark.user, olds, count, &now, err);
    for (size_t i = 0; i < now.count; i++)
        for (size_t k = 0; k < learned->count; k++)
            same += uuid_equal(learned->ops[k].old, now.items[i].id) &&
                    learned->ops[k].old_version == now.items[i].version;
    *out_changed = same < count;
    return r;
}

static const char *outcome_of(const struct learn *learn, bool unreadable)
{
    size_t kept = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(learn->kept); i++)
        kept += learn->kept[i];
    if (kept > 0)
        return "kept";
    return unreadable ? "unreadable" : "nothing_new";
}

static int keep(struct run_task *task, struct error *err)
{
    struct learn *learn = task->memory->own;
    CLEANUP(buf_deinit) struct buf pending;
    struct store store = store_of(task);
    struct learned learned;
    struct error why;
    bool unreadable = false;
    bool changed = false;
    int r;

    buf_init(&pending, 0);
    r = learned_read(task->reply.text, learn->known, learn->known_count, task->setup.memories.kinds,
                     &task->arena, &learned, &why);
    if (r == -E_INVALID) {
        log_warn("what a model learned of a user can't be read", LOG_ERROR(&why));
        learned = (struct learned){.refused = 1};
        unreadable = true;
    } else if (r < 0) {
        return ending_out_of_memory(&task->ending);
    }
    r = look_again(task, learn, &learned, &changed, err);
    if (r < 0)
        return r;
    if (changed && task->claim.row.lease.step < ASKS_MAX)
        return ending_hand_back(&task->ending, ASK_AGAIN_MS, RUN_WAIT_BACKOFF);
    learned.to = learn->sayings.to;
    learned.more = learn->sayings.has_more;
    learned_write(&learned, &pending);
    if (pending.failed)
        return ending_out_of_memory(&task->ending);
    r = memory_marks_pend(&store, &learn->mark, learn->state.position, buf_text(&pending), err);
    if (r == MARK_MOVED)
        return finish(task, "overtaken");
    if (r == 0)
        r = keep_all(task, learn, &learned, err);
    if (r < 0)
        return r;
    r = finish(task, outcome_of(learn, unreadable));
    go_on(task, learn);
    return r;
}

/* ---- behind a run ---- */

static void write_spec(const struct run_task *task, struct buf *out)
{
    const struct run_setup *setup = &task->setup;
    const struct memories_settings *memories = &setup->memories;
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "job", "memories");
    json_write_text(&write, "model", memories->model.ptr ? memories->model : setup->model);
    if (!memories->model.ptr && setup->fallbacks_count > 0) {
        json_write_open_array(&write, "fallbacks");
        for (size_t i = 0; i < setup->fallbacks_count; i++)
            json_write_text(&write, NULL, setup->fallbacks[i]);
        json_write_close(&write);
    }
    json_write_raw_if(&write, "memories", memories->json);
    json_write_close(&write);
}

static bool follows(struct run_task *task, struct memory_run *out)
{
    CLEANUP(buf_deinit) struct buf spec = {0};
    const struct memories_settings *memories = &task->setup.memories;
    struct text user = task->recall.user;
    char thread[ID_TEXT_SIZE];
    char agent[ID_TEXT_SIZE];
    const char *about;
    const char *copy;

    if (!memories->learn || user.len == 0)
        return false;
    buf_init(&spec, 0);
    write_spec(task, &spec);
    id_format(ID_THREAD, task->claim.row.thread_id, thread);
    id_format(ID_ASSISTANT, task->recall.agent, agent);
    about = arena_printf(&task->arena, "memories:%s:%s:%.*s", thread,
                         memories->of_agent ? agent : "", TEXT_ARGS(user));
    copy = spec.failed ? NULL : arena_copy(&task->arena, buf_text(&spec));
    if (!about || !copy) /* the next run is followed by one */
        return false;
    *out = (struct memory_run){.id = uuid_new(),
                               .about = text_of(about),
                               .spec = {copy, spec.len},
                               .delay_ms = task->worker->config->memory.learn_after_ms};
    return true;
}

const struct memory_job memory_job_learn = {
    .name = "memories",
    .gather = gather,
    .keep = keep,
    .follows = follows,
};
