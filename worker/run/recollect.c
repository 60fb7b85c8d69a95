/* Recollect: what is known of the user that what he says now is about, into the instructions. It is
 * looked for once, when the run begins, and kept with it, so that whoever goes on with the run
 * tells the same. A run without a user, or whose agent wants none of it, passes through.
 */

#include "shared/agent/memories/recalled.h"
#include "shared/agent/prompt.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/utf8.h"
#include "shared/json/json.h"
#include "shared/text/tokens.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"
#include "worker/tools/memory/known.h"

#define LOOK_MS        10000 /* a run does not wait longer for what it may lack */
#define LINE_TOKENS    16    /* of what stands around a memory */
#define QUESTION_BYTES MEMORY_QUERY_BYTES

static struct store store_of(struct run_task *task)
{
    return (struct store){
        .pg = task->worker->pg,
        .tenant = task->claim.row.tenant_id,
        .arena = &task->arena,
    };
}

/* What the user said since the last answer, the newest first; where he said nothing, his last
 * words. */
static void write_question(const struct conversation *conversation, struct buf *out)
{
    for (size_t i = conversation->count; i > 0 && out->len < QUESTION_BYTES; i--) {
        const struct chat_message *message = &conversation->messages[i - 1];
        struct text text = message->text;

        if (message->role == CHAT_ASSISTANT && out->len > 0)
            return;
        if (message->role != CHAT_USER)
            continue;
        for (size_t part = 0; part < message->parts_count && text.len == 0; part++)
            text = message->parts[part].text;
        buf_add_text(out, (struct text){text.ptr, utf8_prefix(text.ptr, text.len,
                                                              QUESTION_BYTES - out->len)});
        buf_add_char(out, '\n');
    }
}

static struct known_place place_of(struct run_task *task)
{
    const struct run_claim *row = &task->claim.row;

    return (struct known_place){
        .means = &task->worker->vectors,
        .pg = task->worker->large,
        .tenant = row->tenant_id,
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
        .user = task->recall.user,
        .run = row->lease.run,
        .agent = task->recall.agent,
        .deadline_ms = deadline_min(task->deadline_ms, deadline_in(LOOK_MS)),
        .arena = &task->arena,
    };
}

/* What an agent has learned and what all know may say the same. */
static bool is_told(const struct recalled_memory *told, size_t count, struct text text)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(told[i].text, text))
            return true;
    return false;
}

/* The best of them, as many as may be told. */
static void write_kept(const struct run_task *task, const struct memory_findings *found,
                       struct buf *out)
{
    struct recalled_memory told[MEMORIES_TOP_K_MAX];
    int64_t left = task->setup.memories.max_tokens;
    size_t count = 0;

    for (size_t i = 0; i < found->count && count < ARRAY_LENGTH(told); i++) {
        const struct memory *memory = &found->items[i].memory;

        if (is_told(told, count, memory->text))
            continue;
        left -= LINE_TOKENS + tokens_estimate(memory->text, TOKENS_O200K);
        if (left < 0)
            break;
        told[count++] = (struct recalled_memory){memory->id, memory->kind, memory->text,
                                                 found->items[i].score, memory->updated_at};
    }
    recalled_write(told, count, found->degraded, clock_wall_ms() / 1000, out);
}

/* That they were of use: those that never are make room first. What fails here is no loss. */
static void note_recalled(struct run_task *task, const struct memory_findings *found)
{
    struct uuid ids[MEMORIES_TOP_K_MAX];
    struct store store = store_of(task);
    struct error err;
    size_t count = 0;

    while (count < found->count && count < ARRAY_LENGTH(ids)) {
        ids[count] = found->items[count].memory.id;
        count++;
    }
    if (count > 0 && memories_recalled(&store, task->recall.user, ids, count, &err) < 0)
        log_warn("that memories were recalled can't be noted", LOG_ERROR(&err));
}

/* Looks, and keeps what was found with the run. Returns 0, LEASE_FENCED or an error. */
static int look(struct run_task *task, struct error *err)
{
    CLEANUP(buf_deinit) struct buf question;
    CLEANUP(buf_deinit) struct buf kept;
    const struct memories_settings *settings = &task->setup.memories;
    struct known_place place = place_of(task);
    struct store store = store_of(task);
    struct memory_findings found;
    int r;

    buf_init(&question, 0);
    buf_init(&kept, 0);
    write_question(&task->conversation, &question);
    r = known_search(&place,
                     &(struct known_wanted){.question = buf_text(&question),
                                            .kinds = settings->kinds,
                                            .limit = (int)settings->top_k,
                                            .threshold = settings->score_threshold},
                     &found, err);
    if (r < 0)
        return r;
    task->memories_unseen = found.unseen;
    write_kept(task, &found, &kept);
    if (kept.failed)
        return error_set(err, E_LIMIT, "no room for what is known of the user");
    r = run_recalls_keep(&store, &task->claim.row.lease, buf_text(&kept), &task->recall.kept, err);
    if (r == 0)
        note_recalled(task, &found);
    return r;
}

/* Behind the instructions. */
static int tell(struct run_task *task, struct error *err)
{
    CLEANUP(json_freep) struct json_object *kept = NULL;
    CLEANUP(buf_deinit) struct buf section;
    CLEANUP(buf_deinit) struct buf whole;
    struct text *instructions = &task->setup.instructions;
    char *copy;
    int r = json_decode(task->recall.kept, JSON_DEPTH_DEFAULT, &kept, err);

    if (r < 0)
        return ending_failed(&task->ending, "server_error", "%s.", err->text);
    buf_init(&section, 0);
    buf_init(&whole, 0);
    recalled_section_write(kept, &section);
    if (section.len == 0)
        return RUN_GO_ON;
    agent_prompt_add(*instructions, 0, &whole);
    agent_prompt_add(buf_text(&section), 0, &whole);
    copy = whole.failed || section.failed ? NULL : arena_copy(&task->arena, buf_text(&whole));
    if (!copy)
        return ending_out_of_memory(&task->ending);
    *instructions = (struct text){copy, whole.len};
    return RUN_GO_ON;
}

int stage_recollect(struct run_task *task, struct error *err)
{
    const struct memories_settings *settings = &task->setup.memories;
    struct store store = store_of(task);
    int r;

    if (!settings->recall && !settings->learn && !task->setup.tools.knows)
        return RUN_GO_ON;
    r = run_recalls_read(&store, task->claim.row.lease.run, &task->recall, err);
    if (r == RUN_MISSING)
        return RUN_DROP;
    if (r < 0)
        return r;
    if (!settings->recall || task->recall.user.len == 0)
        return RUN_GO_ON;
    if (!task->recall.kept.ptr)
        r = look(task, err);
    if (r == LEASE_FENCED)
        return RUN_DROP;
    return r < 0 ? r : tell(task, err);
}
